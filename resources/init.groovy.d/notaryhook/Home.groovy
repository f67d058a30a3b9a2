package notaryhook

import hudson.ExtensionList
import hudson.model.Job
import hudson.slaves.EnvironmentVariablesNodeProperty
import hudson.util.Secret
import jenkins.model.Jenkins

/** What the hook asks of the controller around it: its folder, settings, credentials. */
class Home {
    private static final String NAME = 'jenkins-notary'

    /** Return {@code $JENKINS_HOME/jenkins-notary}. */
    static File folder() {
        new File(Jenkins.get().rootDir, NAME)
    }

    /**
     * Read the settings from all their sources.
     *
     * @throws IllegalArgumentException a setting is wrong, or unknown
     */
    static Settings settings() {
        new Settings([
            Settings.ofProperties(System.properties.collectEntries { key, value -> ["${key}".toString(), "${value}".toString()] }),
            Settings.ofEnvironment(System.getenv()),
            Settings.ofGlobalProperties(globalProperties()),
            Settings.ofFile(new File(folder(), 'hook.properties')),
        ])
    }

    /** Return the environment variables of Jenkins' global properties. */
    static Map<String, String> globalProperties() {
        Map<String, String> found = [:]
        Jenkins.get().globalNodeProperties.getAll(EnvironmentVariablesNodeProperty).each {
            found.putAll(it.envVars)
        }
        found
    }

    /** Return all jobs of the controller. */
    static List<Job> jobs() {
        Jenkins.get().getAllItems(Job)
    }

    /**
     * Stop the hooks of earlier runs and take their listeners out of an extension list.
     *
     * <p>Each run of the script makes classes of its own, so earlier ones are known by name.
     */
    static void removeEarlier(ExtensionList list) {
        list.findAll { it.class.name.startsWith('notaryhook.') }.each { Object listener ->
            listener.hook.close()
            list.remove(listener)
        }
    }

    /**
     * Return the secret of a secret-text credential of the controller.
     *
     * @throws DeliveryException there is none
     */
    static String token(String credentialsId) {
        Class provider = Facts.load('com.cloudbees.plugins.credentials.CredentialsProvider')
        Class type = Facts.load('org.jenkinsci.plugins.plaincredentials.StringCredentials')
        Object credential = provider == null || type == null ? null :
            provider.lookupCredentials(type, Jenkins.get(), hudson.security.ACL.SYSTEM, [])
                .find { it.id == credentialsId }
        if (credential == null) {
            throw new DeliveryException(
                "credential ${credentialsId}: expected secret text of the controller, got none", false, 60)
        }
        Secret.toString(credential.secret)
    }

    /** Return the controller's instance as job ids have it: host and port of its address. */
    static String instanceOf(String url) {
        if (url == null) {
            return null
        }
        URI address = URI.create(url)
        String host = address.host?.replaceAll(/[\[\]]/, '')?.replace(':', '-')?.toLowerCase(Locale.ROOT)
        host == null ? null : address.port < 0 ? host : "${host}-${address.port}".toString()
    }
}
