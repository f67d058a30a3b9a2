package notaryhook

import groovy.transform.CompileStatic
import hudson.ExtensionList
import hudson.model.EnvironmentContributor
import hudson.model.Item
import hudson.model.Job
import hudson.model.Run
import hudson.model.TaskListener
import hudson.model.listeners.ItemListener
import hudson.model.listeners.RunListener
import java.security.SecureRandom
import java.util.concurrent.ConcurrentHashMap
import java.util.logging.Logger
import jenkins.model.Jenkins

/**
 * The hook: what the listeners call, and the threads that do the rest.
 *
 * <p>A listener appends an event to the outbox and wakes the keeper. The keeper completes
 * events with the facts that take time, the courier delivers them, the sweeper looks for
 * builds that were missed. None waits for another: a build that is rotated away while the
 * ledger is down has its facts already.
 */
@CompileStatic
class Hook {
    static final String VERSION = '0.1.0'
    /** In the folder of each recorded build: {@code <outbox id> <number of the event>}. */
    static final String MARKER = 'jenkins-notary.event'
    private static final String LOST = 'outbox, lost'
    private static final String CHECKPOINT = '[jenkins-notary] checkpoint '
    private static final long FIRST_SWEEP_MS = 30_000L
    private static final int MAX_CHECKPOINT_BYTES = 8_192
    private static final Logger LOGGER = Logger.getLogger('notaryhook')

    final Settings settings
    final Outbox outbox
    final Complaints complaints = new Complaints()
    private final Events events = new Events(VERSION)
    private final Map<String, Cost> costs = new ConcurrentHashMap<String, Cost>()
    /** Recorded builds whose folder took no marker; forgotten with the hook. */
    private final Set<String> unmarked = new HashSet<String>()
    private volatile byte[] checkpoint
    /** Completes events; delivers them; looks for missed builds. */
    Worker keeper, courier, sweeper
    volatile boolean closed = false

    private Hook(Settings settings) {
        this.settings = settings
        outbox = new Outbox(new File(Home.folder(), 'outbox'), settings.maxOutboxBytes)
    }

    /** Put a hook in the place of earlier ones; return a line about it. */
    static String install() {
        Settings settings = Home.settings()
        List<ExtensionList> lists = [RunListener.all(), ItemListener.all(), EnvironmentContributor.all()]
        lists.each { ExtensionList list -> Home.removeEarlier(list) }
        Hook hook = new Hook(settings)
        hook.open()
        RunListener.all().add(new RunWatcher(hook))
        ItemListener.all().add(new ItemWatcher(hook))
        EnvironmentContributor.all().add(new BuildEnvironment(hook))
        String line = "jenkins-notary: hook ${VERSION} listens; outbox ${hook.outbox.id} in ${hook.outbox.folder}"
        LOGGER.info(line)
        line
    }

    private void open() {
        byte[] id = new byte[16]
        new SecureRandom().nextBytes(id)
        outbox.open(id.encodeHex().toString(), Events.format(System.currentTimeMillis()))
        Sweep sweep = new Sweep(this)
        keeper = new Worker('keeper', 0L, complaints, new Keeper(this).&keepAll)
        courier = new Worker('courier', 1_000L, complaints, new Courier(this).&deliver)
        sweeper = new Worker('sweeper', FIRST_SWEEP_MS, complaints, sweep.&run)
        [keeper, courier, sweeper].each { Worker worker -> worker.start() }
    }

    /** Stop the threads. Listeners of this hook do nothing from now on. */
    void close() {
        closed = true
        [keeper, courier, sweeper].each { Worker worker -> worker?.close() }
    }

    /** Run what a listener does: nothing that goes wrong in it reaches the build. */
    void guard(String what, Closure<?> body) {
        if (closed) {
            return
        }
        long start = System.nanoTime()
        try {
            body.call()
        } catch (Throwable error) {
            complaints.tell(what, "${error}", error)
        }
        costs.computeIfAbsent(what) { new Cost() }.add(System.nanoTime() - start)
    }

    void printCheckpoint(Run run, TaskListener listener) {
        byte[] note = checkpoint
        if (note != null && covers(run.parent.fullName)) {
            listener.logger.println(CHECKPOINT + note.encodeBase64().toString())
        }
    }

    /** Append a build that has ended, once; return the event's number, null: not appended. */
    synchronized Long recordFinalized(Run run) {
        File marker = new File(run.rootDir, MARKER)
        // Not by the job's name: it may be renamed at this very moment.
        String name = "${run.number} ${run.timeInMillis} ${run.queueId}"
        if (!covers(run.parent.fullName) || marker.exists() || name in unmarked) {
            return null
        }
        Long seq = append('finalized', run.parent, finalized(run), true)
        if (seq != null) {
            // Should the marker fail, the next sweep must not take the build up again.
            unmarked << name
            Disk.writeQuickly(marker, "${outbox.id} ${seq}\n".getBytes('UTF-8'))
            unmarked.remove(name)
        }
        seq
    }

    /** Return the bytes of the event that a finished build would be now. */
    byte[] encodeFinalized(Run run) {
        Json.encode(events.event('finalized', run.parent, finalized(run)))
    }

    private Map<String, Object> finalized(Run run) {
        [build: Events.build(run), facts: Facts.quick(run, complaints)] as Map<String, Object>
    }

    void recordDeleted(Run run) {
        if (covers(run.parent.fullName)) {
            append('build-deleted', run.parent, [build: Events.build(run)] as Map<String, Object>, false)
        }
    }

    void recordJobDeleted(Job job) {
        if (covers(job.fullName)) {
            append('job-deleted', job, [build: null, range: Events.range(job)] as Map<String, Object>, false)
        }
    }

    /** Append the new name of a job or folder, if it or what is below it is watched. */
    void recordMove(Item item, String from, String to, Set<String> below) {
        if (([from, to] + below.toList()).any { String name -> covers(name) }) {
            String kind = parent(from) == parent(to) ? 'renamed' : 'moved'
            append(kind, item, [build: null, from: from, to: to] as Map<String, Object>, false)
        }
    }

    /** Return the variables of a build: none for a job that is not watched. */
    Map<String, String> environmentFor(Run run) {
        if (!covers(run.parent.fullName)) {
            return [:]
        }
        Map<String, String> all = [JENKINS_NOTARY_HOOK: VERSION, JENKINS_NOTARY_MODE: settings.mode,
                                   JENKINS_NOTARY_LEDGER: settings.ledger]
        all.findAll { String name, String value -> value != null }
    }

    /** Return what tells a build that its claims are taken. */
    Map<String, String> claimsFor(Run run) {
        takesClaims(run) ? [JENKINS_NOTARY_HOOK_CLAIMS: 'true'] : [:]
    }

    /** Take what an answer of the ledger brings back: receipts, and the newest checkpoint. */
    void onDelivered(Map<String, Object> answer) {
        byte[] note = (answer.get('checkpoint') as String)?.getBytes('UTF-8')
        if (note != null && note.length <= MAX_CHECKPOINT_BYTES) {
            checkpoint = note
        }
        Object builds = answer.get('builds')
        if (builds instanceof List) {
            ((List<Object>) builds).each { Object one -> tellIfLost(one) }
        }
        Receipts.writeAll(answer.get('receipts'), (outbox.unprepared + outbox.ready).toSet())
    }

    private void tellIfLost(Object build) {
        if (build instanceof Map && ((Map<Object, Object>) build).get('outcome') == 'lost') {
            complaints.tell(LOST,
                "${((Map<Object, Object>) build).get('job')}: neither recorded nor in the outbox")
        }
    }

    /** Return how the hook is: what waits, the last fault, how often listeners ran and how long. */
    Map<String, Object> status() {
        outbox.measure()
        [version: VERSION, outbox: outbox.id, waiting: outbox.count(),
         faults: complaints.count.get(), delivery: complaints.last(Delivery.SUBJECT) ?: 'well',
         lost: complaints.last(LOST) ?: 'nothing',
         listeners: costs.collectEntries { String what, Cost cost -> [(what): cost.tell()] },
        ] as Map<String, Object>
    }

    /**
     * Return whether what a build claims is delivered: its job may claim, and it runs what
     * its job says, neither a replay nor a change request from a fork.
     */
    boolean takesClaims(Run run) {
        settings.takesClaims(run.parent.fullName) && Pipelines.replay(run)?.get('isReplay') != true &&
            Sources.change(run.parent)?.get('fork') != true
    }

    private boolean covers(String name) {
        settings.patterns.covers(name)
    }

    private Long append(String kind, Item item, Map<String, Object> more, boolean recoverable) {
        Long seq = outbox.append(events.event(kind, item, more), recoverable)
        if (seq == null) {
            String hope = recoverable ? 'a sweep finds them again' : 'this event is lost'
            complaints.tell("outbox, ${kind}", "full (${settings.maxOutboxBytes} bytes); ${hope}")
        }
        keeper.wake()
        seq
    }

    /** Return the number of the event that recorded a build, null: none did. */
    static Long markedSeq(Run run) {
        File marker = new File(run.rootDir, MARKER)
        List<String> words = marker.file ? marker.getText('UTF-8').tokenize() : []
        words.size() == 2 && words[1].isLong() ? words[1].toLong() : null
    }

    private static String parent(String name) {
        name.contains('/') ? name.substring(0, name.lastIndexOf('/')) : ''
    }
}
