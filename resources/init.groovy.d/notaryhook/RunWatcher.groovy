package notaryhook

import groovy.transform.CompileStatic
import hudson.model.Run
import hudson.model.TaskListener
import hudson.model.listeners.RunListener

/**
 * Hears of each build's end and deletion. Jenkins waits for these methods: they append to
 * the outbox and do nothing else.
 */
@CompileStatic
class RunWatcher extends RunListener<Run> {
    final Hook hook

    RunWatcher(Hook hook) {
        this.hook = hook
    }

    @Override
    void onCompleted(Run run, TaskListener listener) {
        hook.guard('checkpoint') { hook.printCheckpoint(run, listener) }
    }

    @Override
    void onFinalized(Run run) {
        hook.guard('finalized') { hook.recordFinalized(run) }
    }

    @Override
    void onDeleted(Run run) {
        hook.guard('build-deleted') { hook.recordDeleted(run) }
    }
}
