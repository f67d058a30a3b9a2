/*
 * Record every build of this controller: install the jenkins-notary hook.
 *
 * Jenkins runs this at each start. To install it anew without a restart, run in the script
 * console: evaluate(new File(jenkins.model.Jenkins.get().rootDir,
 * 'init.groovy.d/jenkins-notary.groovy')). An earlier hook is taken out first. The classes
 * stand in the folder notaryhook beside this file. Manual: docs/jenkins-hook.md.
 */
import java.util.logging.Level
import java.util.logging.Logger
import jenkins.model.Jenkins

try {
    String root = System.getProperty('jenkins.util.groovy.GroovyHookScript.ROOT_PATH') ?:
        Jenkins.get().rootDir.path
    GroovyClassLoader classes = new GroovyClassLoader(Jenkins.get().pluginManager.uberClassLoader)
    classes.addClasspath(new File(root, 'init.groovy.d').path)
    classes.loadClass('notaryhook.Hook').install()
} catch (Throwable error) {
    // A start of Jenkins must not end here, whatever is wrong with the hook.
    Logger.getLogger('notaryhook').log(Level.SEVERE, 'jenkins-notary: the hook is not installed', error)
    "jenkins-notary: the hook is not installed: ${error}"
}
