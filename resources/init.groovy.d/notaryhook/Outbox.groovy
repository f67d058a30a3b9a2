package notaryhook

import groovy.transform.CompileStatic
import java.nio.file.Files
import java.nio.file.StandardCopyOption
import java.util.concurrent.atomic.AtomicLong

/**
 * Events on disk until the ledger has them; the format is in docs/formats/outbox.md.
 *
 * <pre>
 * outbox.json   whose outbox this is: id, identity and address of its controller
 * sequence      the last number that stood in events/
 * incoming/     appended by a listener; facts that take time to read are still missing
 * events/       complete, in the order of their numbers, to be delivered; bad/ in it holds
 *               what the command cannot record
 * refused/      what the service does not take; nothing is dropped
 * </pre>
 *
 * <p>Numbers have no gap and are never used twice, so whoever reads the events notices a
 * lost one. An outbox that is full refuses finished builds, which a sweep finds again; the
 * last tenth is kept for what no sweep can find: deletions, renames and moves.
 *
 * <p>Any number of threads may call {@link #append}; one only prepares, one only delivers.
 */
@CompileStatic
class Outbox {
    /** Half of what a reader takes. */
    static final int MAX_EVENT_BYTES = 8 << 20

    final File folder
    private final long maxBytes
    private final File incoming, events, bad, refused, sequenceFile, bindingFile
    private Map<String, Object> binding
    private long next
    private final AtomicLong bytes = new AtomicLong()

    Outbox(File folder, long maxBytes) {
        this.folder = folder
        this.maxBytes = maxBytes
        incoming = new File(folder, 'incoming')
        events = new File(folder, 'events')
        bad = new File(events, 'bad')
        refused = new File(folder, 'refused')
        sequenceFile = new File(folder, 'sequence')
        bindingFile = new File(folder, 'outbox.json')
    }

    /**
     * Open the outbox or make it; continue its numbers.
     *
     * @param id 32 hex digits for a new outbox
     * @param at RFC 3339 time for a new outbox
     */
    synchronized void open(String id, String at) {
        [folder, incoming, events, refused].each { File one -> Disk.makeFolder(one) }
        [folder, incoming, events].each { File one -> Disk.dropTemporary(one) }
        if (bindingFile.exists()) {
            binding = readBinding()
        } else {
            setAside(at)
            binding = [v: 1, id: id, identity: null, url: null, createdAt: at] as Map<String, Object>
            writeBinding()
        }
        List<Long> known = numbers(incoming) + numbers(events) + numbers(refused)
        next = (known + readSequence()).max() + 1
        numbers(incoming).findAll { Long seq -> file(events, seq).exists() }
            .each { Long seq -> file(incoming, seq).delete() }
        measure()
    }

    synchronized String getId() { binding.get('id') as String }

    synchronized String getCreatedAt() { binding.get('createdAt') as String }

    /**
     * Check that the outbox belongs to this controller; bind it where it belongs to none.
     *
     * @param identity SHA-256 (hex) of the controller's public key, or null
     * @param url the controller's address, or null
     * @throws ForeignOutboxException it belongs to another and no administrator accepted this one
     */
    synchronized void checkOwner(String identity, String url) {
        Map<String, Object> stored = readBinding()
        Map<String, Object> now = stored + ([identity: identity, url: url] as Map<String, Object>)
        now.remove('accepted')
        List<String> faults = ['identity', 'url'].findAll { String key ->
            stored.get(key) != null && stored.get(key) != now.get(key)
        }
        if (faults && stored.get('accepted') != true) {
            throw new ForeignOutboxException(faults.collect { String key ->
                "${key}: expected ${stored.get(key)}, got ${now.get(key)}"
            }.join('; '))
        }
        if (faults) {
            // Events from before say who the controller was then.
            List<Object> former = new ArrayList<Object>((List<Object>) stored.get('former') ?: [])
            former << [identity: stored.get('identity'), url: stored.get('url')]
            now.put('former', former)
        }
        binding = now
        if (now != stored) {
            writeBinding()
        }
    }

    /**
     * Append an event, durable when this returns.
     *
     * @param event without v and seq
     * @param recoverable whether a sweep finds it again if it is refused now
     * @return the event's number, or null: the outbox is full
     */
    synchronized Long append(Map<String, Object> event, boolean recoverable) {
        byte[] content = encode(next, event)
        long limit = recoverable ? maxBytes - maxBytes.intdiv(10) : maxBytes
        if (bytes.get() + content.length > limit) {
            return null
        }
        Disk.write(file(incoming, next), content)
        bytes.addAndGet(content.length)
        next++
    }

    /** Return the numbers of the events whose facts are still missing, in order. */
    List<Long> getUnprepared() { numbers(incoming) }

    /** Return an event whose facts are still missing; null: it cannot be read. */
    Map<String, Object> readUnprepared(long seq) {
        Json.decode(file(incoming, seq).bytes)
    }

    /** Put the complete event in the place of the one appended. */
    synchronized void prepare(long seq, Map<String, Object> event) {
        byte[] content = encode(seq, event)
        Disk.write(sequenceFile, "${Math.max(seq, readSequence())}\n".getBytes('UTF-8'))
        Disk.write(file(events, seq), content)
        bytes.addAndGet(content.length - file(incoming, seq).length())
        Files.deleteIfExists(file(incoming, seq).toPath())
    }

    /** Set an appended event that cannot be read aside. */
    void refuseUnprepared(long seq) {
        move(file(incoming, seq), file(refused, seq))
    }

    /** Return the numbers of the complete events, in order. */
    List<Long> getReady() { numbers(events) }

    /** Return the bytes of a complete event, as they are sent; null: it is gone. */
    byte[] read(long seq) {
        File file = file(events, seq)
        file.exists() ? file.bytes : null
    }

    /** Forget delivered events. */
    void delete(List<Long> delivered) {
        delivered.each { Long seq ->
            bytes.addAndGet(-file(events, seq).length())
            Files.deleteIfExists(file(events, seq).toPath())
        }
        Disk.syncFolder(events)
    }

    /** Set an event aside that the service does not take. */
    void refuse(long seq) {
        move(file(events, seq), file(refused, seq))
    }

    /** Return how much waits, and what was set aside: [incoming:, ready:, refused:, bad:, bytes:]. */
    Map<String, Object> count() {
        [incoming: numbers(incoming).size(), ready: numbers(events).size(), refused: numbers(refused).size(),
         bad: numbers(bad).size(), bytes: bytes.get()] as Map<String, Object>
    }

    /**
     * Count the bytes anew, since others delete here too. Not under the lock: with many
     * files this takes a while, and listeners append meanwhile.
     */
    void measure() {
        long sum = 0
        [incoming, events, refused].each { File one ->
            one.listFiles()?.each { File file -> sum += file.length() }
        }
        bytes.set(sum)
    }

    private long readSequence() {
        String text = sequenceFile.exists() ? sequenceFile.getText('UTF-8').trim() : '0'
        if (!(text ==~ /[0-9]{1,18}/)) {
            throw new IllegalStateException("${sequenceFile}: expected a number; restore it")
        }
        text.toLong()
    }

    private Map<String, Object> readBinding() {
        Map<String, Object> found = Json.decode(bindingFile.bytes)
        if (found?.get('v') != 1 || !(found?.get('id') ==~ /[0-9a-f]{32}/)) {
            throw new IllegalStateException(
                "${bindingFile}: expected an outbox of version 1; restore it, or remove it for a new outbox")
        }
        found
    }

    private void writeBinding() {
        Disk.write(bindingFile, Json.encode(binding))
    }

    /** Move what another outbox left out of the way of a new one. */
    private void setAside(String at) {
        File aside = new File(folder, 'former-' + at.replaceAll('[^0-9TZ]', ''))
        [incoming, events, refused].findAll { File one -> one.list().length > 0 }.each { File one ->
            Disk.makeFolder(aside)
            move(one, new File(aside, one.name))
            Disk.makeFolder(one)
        }
        Files.deleteIfExists(sequenceFile.toPath())
    }

    private static void move(File from, File to) {
        Files.move(from.toPath(), to.toPath(), StandardCopyOption.ATOMIC_MOVE)
        Disk.syncFolder(from.parentFile)
        Disk.syncFolder(to.parentFile)
    }

    /**
     * Encode an event. Where a build made it longer than a reader takes, its claims go, then
     * its longest facts; {@code dropped} names them. The build itself stays.
     */
    private static byte[] encode(long seq, Map<String, Object> event) {
        Map<String, Object> all = ([v: 1, seq: seq] as Map<String, Object>) + event
        List<String> dropped = []
        byte[] content = Json.encode(all)
        while (content.length > MAX_EVENT_BYTES) {
            Map<String, Object> facts = new LinkedHashMap<String, Object>((Map<String, Object>) all.get('facts') ?: [:])
            if (!all.get('claims') && facts.isEmpty()) {
                break
            }
            String longest = all.get('claims') ? 'claims' :
                facts.keySet().max { String name -> Json.encode([fact: facts.get(name)]).length }
            facts.remove(longest)
            dropped << longest
            all = all + ([facts: facts, claims: [], dropped: dropped] as Map<String, Object>)
            content = Json.encode(all)
        }
        content
    }

    private static File file(File folder, long seq) {
        new File(folder, String.format(Locale.ROOT, '%016d.json', seq))
    }

    private static List<Long> numbers(File folder) {
        (folder.list() ?: new String[0]).findAll { String name -> name ==~ /[0-9]{16}\.json/ }
            .collect { String name -> name.substring(0, 16).toLong() }.sort()
    }
}
