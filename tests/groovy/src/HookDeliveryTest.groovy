import org.junit.Before
import org.junit.Rule
import org.junit.Test
import org.junit.rules.TemporaryFolder

class HookDeliveryTest {
    @Rule
    public TemporaryFolder temporary = new TemporaryFolder()

    private Object outbox
    private List<List<Long>> sent = []
    private List<Map> answered = []
    private Closure<Map> answer = { List<Long> seqs -> [accepted: seqs.last()] }

    @Before
    void fill() {
        outbox = HookSources.load('Outbox').newInstance(new File(temporary.root, 'outbox'), 1 << 20)
        outbox.open('a' * 32, '2026-11-28T01:02:03.004Z')
    }

    private void add(int count, int size = 10) {
        count.times {
            Long seq = outbox.append([event: 'x', text: 'z' * size], true)
            outbox.prepare(seq, outbox.readUnprepared(seq))
        }
    }

    private Object delivery(int batchBytes = 1 << 20) {
        Class transport = HookSources.load('Transport')
        Object sender = { Map batch ->
            sent << batch.keySet().toList()
            answer(batch.keySet().toList())
        }.asType(transport)
        HookSources.load('Delivery').newInstance(
            outbox, sender, batchBytes, HookSources.load('Complaints').newInstance()
        ) { told -> answered << told }
    }

    private Exception failure(String words, boolean refused = false, Integer wait = null) {
        HookSources.load('DeliveryException').newInstance(words, refused, wait)
    }

    @Test
    void 'events go in order and are deleted after the answer'() {
        add(3)
        def courier = delivery()

        assert courier.step() == 0L
        assert courier.step() == null
        assert sent == [[1L, 2L, 3L]]
        assert outbox.ready == []
        assert answered == [[accepted: 3L]]
    }

    @Test
    void 'a batch is bounded in bytes, but one event always goes'() {
        add(3, 600)
        def courier = delivery(1_000)
        3.times { courier.step() }

        assert sent == [[1L], [2L], [3L]]
    }

    @Test
    void 'only what the answer accepts is deleted'() {
        add(3)
        answer = { List<Long> seqs -> [accepted: 2] }
        delivery().step()

        assert outbox.ready == [3L]
    }

    @Test
    void 'an answer about other events deletes nothing'() {
        add(2)
        [[:], [accepted: 0], [accepted: 3], [accepted: '2'], [accepted: null]].each { Map told ->
            answer = { told }
            assert delivery().step() >= 1_000L
            assert outbox.ready == [1L, 2L]
        }
    }

    @Test
    void 'a ledger that is away is left alone for longer and longer, and comes back'() {
        add(1)
        answer = { throw failure('no answer') }
        def courier = delivery()
        List<Long> waits = (1..12).collect { courier.step() }

        [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300].eachWithIndex { int seconds, int i ->
            assert waits[i] in (seconds * 1_000L)..(seconds * 1_200L)
        }
        answer = { List<Long> seqs -> [accepted: seqs.last()] }
        assert courier.step() == 0L && outbox.ready == []
        add(1)
        answer = { throw failure('no answer') }
        assert courier.step() <= 1_200L
    }

    @Test
    void 'the wait that a service asks for is kept, up to an hour'() {
        add(1)
        answer = { throw failure('busy', false, 90) }
        assert delivery().step() in 90_000L..108_000L
        answer = { throw failure('busy', false, 999_999) }
        assert delivery().step() in 3_600_000L..4_320_000L
    }

    @Test
    void 'an event that the service refuses is set aside and the others go on'() {
        add(4)
        answer = { List<Long> seqs ->
            if (3L in seqs) {
                throw failure('claims[0]: expected a record id', true)
            }
            [accepted: seqs.last()]
        }
        def courier = delivery()
        while (courier.step() != null) {
        }

        assert outbox.ready == []
        assert outbox.count().refused == 1
        assert new File(temporary.root, 'outbox/refused/0000000000000003.json').exists()
        assert answered*.accepted == [1L, 2L, 4L]
    }
}
