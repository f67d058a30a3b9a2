package notaryhook

import groovy.transform.CompileStatic
import java.util.concurrent.ConcurrentHashMap
import java.util.concurrent.atomic.AtomicLong
import java.util.logging.Level
import java.util.logging.Logger

/**
 * Log what goes wrong without filling the log: each subject when its words change, and
 * once an hour while they do not. All are counted.
 */
@CompileStatic
class Complaints {
    private static final long REMINDER_MS = 3_600_000L
    private static final Logger LOGGER = Logger.getLogger('notaryhook')

    final AtomicLong count = new AtomicLong()
    private final Map<String, List<?>> told = new ConcurrentHashMap<String, List<?>>()

    void tell(String subject, String message, Throwable error = null) {
        count.incrementAndGet()
        long now = System.currentTimeMillis()
        List<?> before = told.get(subject)
        if (before == null || before[0] != message || now - (Long) before[1] > REMINDER_MS) {
            told.put(subject, [message, now])
            LOGGER.log(Level.WARNING, "jenkins-notary: ${subject}: ${message}".toString(), error)
        }
    }

    /** Say that a subject is well again, if it was not. */
    void settle(String subject) {
        if (told.remove(subject) != null) {
            LOGGER.info("jenkins-notary: ${subject}: well again")
        }
    }

    /** Return the last words about a subject, null: it is well. */
    String last(String subject) {
        told.get(subject)?.get(0) as String
    }
}
