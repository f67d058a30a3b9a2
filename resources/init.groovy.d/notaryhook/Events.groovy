package notaryhook

import groovy.transform.CompileStatic
import hudson.model.Item
import hudson.model.Job
import hudson.model.Run
import java.lang.reflect.Field
import java.time.Instant
import java.time.ZoneOffset
import java.time.format.DateTimeFormatter
import jenkins.model.Jenkins
import jenkins.model.JenkinsLocationConfiguration
import jenkins.model.identity.InstanceIdentityProvider
import jenkins.model.lazy.AbstractLazyLoadRunMap
import jenkins.model.lazy.LazyBuildMixIn

/** The parts of an event that every kind of it has; the format is in docs/formats/outbox.md. */
@CompileStatic
class Events {
    private static final DateTimeFormatter TIME =
        DateTimeFormatter.ofPattern("yyyy-MM-dd'T'HH:mm:ss.SSS'Z'", Locale.ROOT).withZone(ZoneOffset.UTC)

    private final String hookVersion

    Events(String hookVersion) {
        this.hookVersion = hookVersion
    }

    /** Return an event without number, facts and claims. */
    Map<String, Object> event(String kind, Item item, Map<String, Object> more) {
        Map<String, Object> event = [
            at: format(System.currentTimeMillis()), event: kind, controller: controller(),
            // Without a root URL Item.getAbsoluteUrl throws, and a deletion would go unheard.
            job: [name: item.fullName, type: item.class.simpleName, url: url() == null ? null : url() + item.url],
        ] as Map<String, Object>
        event + more
    }

    /** Return who writes the events: [url:, version:, identity:, hook:]. */
    Map<String, Object> controller() {
        [url: url(), version: Jenkins.VERSION, identity: identity(), hook: hookVersion] as Map<String, Object>
    }

    /** Return the controller's address as configured, null: it is not. */
    static String url() {
        JenkinsLocationConfiguration.get()?.url
    }

    /** Return the SHA-256 (hex) of the controller's public key (DER), null: it has none. */
    static String identity() {
        byte[] key = InstanceIdentityProvider.RSA.publicKey?.encoded
        key == null ? null : Facts.sha256(key)
    }

    /**
     * Return the build of an event. Its start is the moment that Jenkins' API calls
     * {@code timestamp}: both tell apart builds of one number by it.
     */
    static Map<String, Object> build(Run run) {
        Map<String, Object> build = [
            number: run.number, startedAt: run.timeInMillis, durationMs: run.duration,
            result: run.result?.toString(),
        ] as Map<String, Object>
        // Builds from before Jenkins kept it have none.
        run.queueId < 0 ? build : build + ([queueId: run.queueId] as Map<String, Object>)
    }

    /**
     * Return which builds a deleted job had: [first:, last:, count:].
     *
     * <p>Its folder is gone already. Jenkins still has the list of the numbers that were
     * there, but hands it to nobody, so it is taken. Without it only the last is known.
     */
    static Map<String, Object> range(Job job) {
        List<Integer> numbers = numbers(job)
        if (numbers == null) {
            return [first: null, last: job.nextBuildNumber - 1, count: null] as Map<String, Object>
        }
        [first: numbers ? numbers.min() : null, last: numbers ? numbers.max() : null,
         count: numbers.size()] as Map<String, Object>
    }

    private static List<Integer> numbers(Job job) {
        if (!(job instanceof LazyBuildMixIn.LazyLoadingJob)) {
            return null
        }
        try {
            Field field = AbstractLazyLoadRunMap.getDeclaredField('numberOnDisk')
            field.accessible = true
            AbstractLazyLoadRunMap runs = ((LazyBuildMixIn.LazyLoadingJob) job).lazyBuildMixIn.runMap
            return ((List<Integer>) field.get(runs)).toList()
        } catch (ReflectiveOperationException ignored) {
            // Another version of Jenkins keeps the numbers elsewhere.
            return null
        }
    }

    /** Return a time as RFC 3339 in UTC with milliseconds. */
    static String format(long ms) {
        TIME.format(Instant.ofEpochMilli(ms))
    }

    /** Return milliseconds of such a time. */
    static long parse(String time) {
        Instant.parse(time).toEpochMilli()
    }
}
