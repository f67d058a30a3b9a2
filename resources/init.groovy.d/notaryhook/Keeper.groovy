package notaryhook

import groovy.transform.CompileStatic
import hudson.model.Job
import hudson.model.Run
import jenkins.model.Jenkins

/**
 * Completes appended events: the facts that must be read from the disk, and the claims that
 * the build archived. A build that is gone by then keeps the facts it has.
 */
@CompileStatic
class Keeper {
    private static final long REST_MS = 60_000L

    private final Hook hook
    private boolean warm = false

    Keeper(Hook hook) {
        this.hook = hook
    }

    /** Complete all that waits; return when to look again without being woken. */
    long keepAll() {
        if (!warm) {
            warm = true
            warmUp()
        }
        if (Events.url() == null) {
            hook.complaints.tell('keeper, address', 'events wait: set the Jenkins URL under Manage Jenkins, System')
            return REST_MS
        }
        hook.complaints.settle('keeper, address')
        for (Long seq : hook.outbox.unprepared) {
            if (hook.closed) {
                return REST_MS
            }
            keepAlone(seq)
            hook.courier.wake()
        }
        REST_MS
    }

    /** Complete an event so that nothing in it stops those behind; a disk that fails does. */
    private void keepAlone(long seq) {
        try {
            keep(seq)
        } catch (IOException | InterruptedException error) {
            throw error
        } catch (Throwable error) {
            hook.complaints.tell("event ${seq}", "set aside in refused/: ${error}", error)
            hook.outbox.refuseUnprepared(seq)
        }
    }

    /**
     * Do once, for some build, what the listener does: the first call of everything takes
     * half a second, and no build shall wait for it.
     */
    private void warmUp() {
        Run run = (Run) Home.jobs().findResult { Job job -> job.lastCompletedBuild }
        if (run != null) {
            hook.encodeFinalized(run)
        }
    }

    private void keep(long seq) {
        Map<String, Object> event = hook.outbox.readUnprepared(seq)
        if (event == null) {
            hook.complaints.tell("event ${seq}", 'set aside in refused/: expected JSON')
            hook.outbox.refuseUnprepared(seq)
            return
        }
        Map<String, Object> controller = (Map<String, Object>) event.get('controller')
        if (controller.get('url') == null) {
            controller.put('url', Events.url())
        }
        hook.outbox.prepare(seq, event.get('event') == 'finalized' ? completeOrKeep(seq, event) : event)
    }

    /** Complete an event; what cannot be read of its build costs the claims and those facts. */
    private Map<String, Object> completeOrKeep(long seq, Map<String, Object> event) {
        try {
            return complete(seq, event)
        } catch (InterruptedException error) {
            throw error
        } catch (Throwable error) {
            hook.complaints.tell("event ${seq}", "not completed: ${error}", error)
            return event + ([claims: []] as Map<String, Object>)
        }
    }

    private Map<String, Object> complete(long seq, Map<String, Object> event) {
        Run run = find(event, seq)
        Map<String, Object> facts = (Map<String, Object>) event.get('facts')
        List<Map<String, Object>> claims = []
        if (run != null) {
            facts = facts + Facts.whole(run, mode(), hook.complaints)
            try {
                if (hook.takesClaims(run)) {
                    claims = Claims.read(run, hook.complaints)
                }
            } catch (Exception | StackOverflowError error) {
                hook.complaints.tell("claims of ${run.externalizableId}", "not read: ${error}", error)
            }
        }
        event + ([facts: facts, claims: claims] as Map<String, Object>)
    }

    /** Return the build of an event, null: it is gone, or another has its number. */
    private Run find(Map<String, Object> event, long seq) {
        Map<String, Object> job = (Map<String, Object>) event.get('job')
        Map<String, Object> build = (Map<String, Object>) event.get('build')
        String name = job.get('name') as String
        Job found = Jenkins.get().getItemByFullName(name, Job) ?:
            Jenkins.get().getItemByFullName(nameNow(name, seq), Job)
        Run run = found?.getBuildByNumber(((Number) build.get('number')).intValue())
        run?.timeInMillis == ((Number) build.get('startedAt')).longValue() ? run : null
    }

    /** Return what a job is called after the renames and moves that wait behind an event. */
    private String nameNow(String name, long seq) {
        String now = name
        hook.outbox.unprepared.findAll { Long later -> later > seq }.each { Long later ->
            Map<String, Object> move = hook.outbox.readUnprepared(later)
            String from = move?.get('from')
            if (from != null && (now == from || now.startsWith(from + '/'))) {
                now = (move.get('to') as String) + now.substring(from.length())
            }
        }
        now
    }

    private String mode() {
        hook.settings.mode ?: Home.globalProperties().get('JENKINS_NOTARY_MODE')
    }
}
