package notaryhook

import groovy.transform.CompileStatic
import hudson.model.Job
import hudson.model.Run
import java.util.logging.Logger

/**
 * Find the builds that ended while nobody listened: the hook was off, its listener failed,
 * the outbox or the disk was full, Jenkins crashed.
 *
 * <p>Each build that was recorded has a marker in its folder ({@link Hook#MARKER}), which
 * goes with it through renames and deletion. A build without one that ended after the outbox
 * was made is recorded now; with {@code backfill} all builds without one are. Builds are
 * found by listing folders; only what may be missing is loaded.
 */
@CompileStatic
class Sweep {
    private static final long SETTLE_MS = 10_000L
    private static final Logger LOGGER = Logger.getLogger('notaryhook')

    private final Hook hook
    private final long sinceMs
    private final long pauseMs

    Sweep(Hook hook) {
        this.hook = hook
        sinceMs = hook.settings.backfill ? 0L : Events.parse(hook.outbox.createdAt)
        pauseMs = 60_000L.intdiv(hook.settings.sweepPerMinute)
    }

    /** Record what is missing; return when to come back. */
    long run() {
        int found = 0
        for (Job job : Home.jobs()) {
            if (hook.settings.patterns.covers(job.fullName)) {
                found += record(job)
            }
        }
        if (found > 0) {
            LOGGER.info("jenkins-notary: a sweep recorded ${found} builds that nothing had recorded")
        }
        hook.settings.sweepMinutes * 60_000L
    }

    private int record(Job job) {
        missing(job).count { Integer number ->
            boolean recorded = !hook.closed && record(job, number)
            if (recorded) {
                Thread.sleep(pauseMs)
            }
            recorded
        } as int
    }

    private List<Integer> missing(Job job) {
        (job.buildDir.list() ?: new String[0]).findAll { String name -> name ==~ /[1-9][0-9]{0,8}/ }
            .findAll { String name -> maybeMissing(new File(job.buildDir, name)) }
            .collect { String name -> name.toInteger() }.sort()
    }

    private boolean maybeMissing(File folder) {
        !new File(folder, Hook.MARKER).exists() && new File(folder, 'build.xml').lastModified() >= sinceMs
    }

    private boolean record(Job job, int number) {
        Run run = job.getBuildByNumber(number)
        if (run == null || run.building || run.isLogUpdated()) {
            return false
        }
        long endedMs = run.startTimeInMillis + run.duration
        // What has just ended is still on its way through the listener.
        boolean settled = endedMs < System.currentTimeMillis() - SETTLE_MS
        settled && endedMs >= sinceMs && hook.recordFinalized(run) != null
    }
}
