package notaryhook

import groovy.transform.CompileStatic
import hudson.security.ACL
import hudson.security.ACLContext

/** A thread that does its work, sleeps as long as the work says, or until it is woken. */
@CompileStatic
class Worker extends Thread {
    private static final long REST_AFTER_FAULT_MS = 30_000L

    private final String work
    private final long startAfterMs
    private final Complaints complaints
    private final Closure<Long> step
    private final Object bell = new Object()
    private boolean rung = false
    private volatile boolean ending = false

    /**
     * @param step returns after how many milliseconds to come back at the latest
     */
    Worker(String work, long startAfterMs, Complaints complaints, Closure<Long> step) {
        super("jenkins-notary hook: ${work}")
        this.work = work
        this.startAfterMs = startAfterMs
        this.complaints = complaints
        this.step = step
        daemon = true
    }

    @Override
    void run() {
        long pause = startAfterMs
        while (!ending) {
            await(pause)
            if (!ending) {
                pause = attempt()
            }
        }
    }

    private long attempt() {
        try {
            ACLContext context = ACL.as2(ACL.SYSTEM2)
            try {
                long pause = step.call()
                complaints.settle(work)
                return pause
            } finally {
                context.close()
            }
        } catch (InterruptedException ignored) {
            return 0L
        } catch (Throwable error) {
            complaints.tell(work, "${error}", error)
            return REST_AFTER_FAULT_MS
        }
    }

    private void await(long pauseMs) {
        synchronized (bell) {
            try {
                if (!rung && pauseMs > 0) {
                    bell.wait(pauseMs)
                }
            } catch (InterruptedException ignored) {
                // Only close() interrupts, and the loop looks at what it says.
            }
            rung = false
        }
    }

    /** Let the work be done now. */
    void wake() {
        synchronized (bell) {
            rung = true
            bell.notifyAll()
        }
    }

    /** End the thread; wait a moment for it. */
    void close() {
        ending = true
        wake()
        interrupt()
        join(5_000L)
    }
}
