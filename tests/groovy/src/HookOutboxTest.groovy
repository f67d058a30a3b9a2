import groovy.json.JsonSlurperClassic
import java.nio.file.Files
import java.nio.file.attribute.PosixFilePermissions
import org.junit.Rule
import org.junit.Test
import org.junit.rules.TemporaryFolder

class HookOutboxTest {
    private static final String ID = 'a' * 32
    private static final String AT = '2026-11-28T01:02:03.004Z'

    @Rule
    public TemporaryFolder temporary = new TemporaryFolder()

    private Object open(long maxBytes = 1 << 20, String id = ID) {
        def outbox = HookSources.load('Outbox').newInstance(new File(temporary.root, 'outbox'), maxBytes)
        outbox.open(id, AT)
        outbox
    }

    private static void prepareAll(Object outbox) {
        outbox.unprepared.each { seq -> outbox.prepare(seq, outbox.readUnprepared(seq)) }
    }

    private Map json(String path) {
        new JsonSlurperClassic().parse(new File(temporary.root, "outbox/${path}"), 'UTF-8')
    }

    @Test
    void 'an event is appended, completed and deleted under one number'() {
        def outbox = open()

        assert outbox.append([event: 'finalized'], true) == 1L
        assert outbox.unprepared == [1L] && outbox.ready == []
        outbox.prepare(1L, outbox.readUnprepared(1L) + [facts: [core: '2.421']])
        assert outbox.unprepared == [] && outbox.ready == [1L]
        assert json('events/0000000000000001.json') == [v: 1, seq: 1, event: 'finalized', facts: [core: '2.421']]
        outbox.delete([1L])
        assert outbox.ready == [] && outbox.count() == [incoming: 0, ready: 0, refused: 0, bad: 0, bytes: 0L]
    }

    @Test
    void 'numbers go on after a restart, delivered or not'() {
        def first = open()
        3.times { first.append([event: 'x'], true) }
        prepareAll(first)
        first.delete([1L, 2L, 3L])

        def second = open()
        assert second.id == ID && second.createdAt == AT
        assert second.append([event: 'x'], true) == 4L
        assert open().append([event: 'x'], true) == 5L
    }

    @Test
    void 'files are for their owner only and none is half-written'() {
        def outbox = open()
        outbox.append([event: 'x'], true)
        outbox.append([event: 'y'], true)
        outbox.prepare(1L, [event: 'x'])
        File root = new File(temporary.root, 'outbox')

        root.eachFileRecurse { File file ->
            String mode = PosixFilePermissions.toString(Files.getPosixFilePermissions(file.toPath()))
            assert mode == (file.directory ? 'rwx------' : 'rw-------'), file.path
        }
        assert PosixFilePermissions.toString(Files.getPosixFilePermissions(root.toPath())) == 'rwx------'
    }

    @Test
    void 'what a writer left half-written is dropped at the next start'() {
        open()
        File torn = new File(temporary.root, 'outbox/incoming/.0000000000000007.json.tmp')
        torn.text = '{"v":1,'

        def outbox = open()
        assert !torn.exists()
        assert outbox.append([event: 'x'], true) == 1L
    }

    @Test
    void 'an event that a crash left in both places is one event'() {
        def outbox = open()
        outbox.append([event: 'x'], true)
        outbox.prepare(1L, [event: 'x', facts: [:]])
        new File(temporary.root, 'outbox/incoming/0000000000000001.json').text = '{"v":1,"seq":1,"event":"x"}'

        assert open().with { [unprepared, ready] } == [[], [1L]]
    }

    @Test
    void 'a full outbox refuses what a sweep finds and keeps room for what none does'() {
        def outbox = open(1 << 20)
        String text = 'z' * 10_000
        int taken = 0
        while (outbox.append([event: 'finalized', text: text], true) != null) {
            taken++
        }

        assert taken in 85..95
        assert outbox.append([event: 'build-deleted'], false) == taken + 1L
        prepareAll(outbox)
        outbox.delete(outbox.ready)
        assert outbox.append([event: 'finalized', text: text], true) == taken + 2L
    }

    @Test
    void 'what others delete makes room after counting anew'() {
        def outbox = open(1 << 20)
        while (outbox.append([event: 'finalized', text: 'z' * 10_000], true) != null) {
        }
        new File(temporary.root, 'outbox/incoming').listFiles()*.delete()
        outbox.measure()

        assert outbox.append([event: 'finalized'], true) != null
    }

    @Test
    void 'a thread that is being interrupted appends all the same and stays interrupted'() {
        def outbox = open()
        Thread.currentThread().interrupt()
        Long seq = outbox.append([event: 'finalized'], true)

        assert Thread.interrupted()
        assert seq == 1L && outbox.readUnprepared(1L).event == 'finalized'
    }

    @Test
    void 'an outbox binds to its controller and refuses another'() {
        def outbox = open()
        outbox.checkOwner(null, null)
        outbox.checkOwner('i1', 'https://ci.example.com/')
        outbox.checkOwner('i1', 'https://ci.example.com/')
        assert json('outbox.json') ==
            [v: 1, id: ID, identity: 'i1', url: 'https://ci.example.com/', createdAt: AT]

        [['i2', 'https://ci.example.com/', 'identity: expected i1, got i2'],
         ['i1', 'https://clone.example.com/', 'url: expected https://ci.example.com/, got https://clone.example.com/'],
         [null, 'https://ci.example.com/', 'identity: expected i1, got null'],
         ['i1', null, 'url: expected https://ci.example.com/, got null']].each { identity, url, words ->
            try {
                open().checkOwner(identity, url)
                assert false, words
            } catch (IllegalStateException error) {
                assert error.message == words
            }
        }
    }

    @Test
    void 'an accepted controller keeps the id and is bound anew'() {
        open().checkOwner('i1', 'https://old.example.com/')
        File binding = new File(temporary.root, 'outbox/outbox.json')
        binding.text = binding.text.replace('{', '{"accepted":true,')

        open().checkOwner('i2', 'https://new.example.com/')
        assert json('outbox.json') ==
            [v: 1, id: ID, identity: 'i2', url: 'https://new.example.com/', createdAt: AT,
             former: [[identity: 'i1', url: 'https://old.example.com/']]]
    }

    @Test
    void 'a removed binding makes a new outbox and sets the old events aside'() {
        def first = open()
        first.append([event: 'x'], true)
        first.append([event: 'y'], true)
        first.prepare(1L, [event: 'x'])
        new File(temporary.root, 'outbox/outbox.json').delete()

        def second = open(1 << 20, 'b' * 32)
        assert second.id == 'b' * 32
        assert second.ready == [] && second.unprepared == []
        assert json('former-20261128T010203004Z/events/0000000000000001.json').event == 'x'
        assert json('former-20261128T010203004Z/incoming/0000000000000002.json').event == 'y'
        assert second.append([event: 'z'], true) == 1L
    }

    @Test
    void 'a binding that cannot be read stops the hook instead of making a new outbox'() {
        open()
        ['', '{', '[]', '{"v":2,"id":"' + ID + '"}', '{"v":1,"id":"../x"}'].each { String torn ->
            new File(temporary.root, 'outbox/outbox.json').text = torn
            try {
                open()
                assert false, torn
            } catch (IllegalStateException error) {
                assert error.message.endsWith(
                    'outbox.json: expected an outbox of version 1; restore it, or remove it for a new outbox')
            }
        }
    }

    @Test
    void 'a sequence that cannot be read stops the hook instead of using numbers again'() {
        open()
        new File(temporary.root, 'outbox/sequence').text = 'x'
        try {
            open()
            assert false
        } catch (IllegalStateException error) {
            assert error.message.endsWith('sequence: expected a number; restore it')
        }
    }

    @Test(timeout = 60000L)
    void 'many threads append without a gap or a number twice'() {
        def outbox = open(64 << 20)
        List<Long> numbers = Collections.synchronizedList([])
        List<Thread> threads = (1..8).collect { Thread.start { 25.times { numbers << outbox.append([event: 'x'], true) } } }
        threads*.join()

        assert numbers.sort() == (1L..200L).toList()
        assert outbox.unprepared == (1L..200L).toList()
    }
}
