package notaryhook

import groovy.transform.CompileStatic
import hudson.EnvVars
import hudson.model.EnvironmentContributor
import hudson.model.Run
import hudson.model.TaskListener

/** Tells each watched build that the hook is there, and what is set for all builds. */
@CompileStatic
class BuildEnvironment extends EnvironmentContributor {
    final Hook hook

    BuildEnvironment(Hook hook) {
        this.hook = hook
    }

    @Override
    void buildEnvironmentFor(Run run, EnvVars variables, TaskListener listener) {
        hook.guard('environment') { variables.putAll(hook.environmentFor(run)) }
        // By itself: what plugins say of a build may fail, and the mode must stay.
        hook.guard('environment, claims') { variables.putAll(hook.claimsFor(run)) }
    }
}
