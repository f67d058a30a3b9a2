import org.junit.Rule
import org.junit.Test
import org.junit.rules.TemporaryFolder

/** What a build archives as a claims file may be anything. */
class HookClaimsTest {
    @Rule
    public TemporaryFolder temporary = new TemporaryFolder()

    private static Map decode(String text) {
        HookSources.load('ClaimFile').decode(text.getBytes('UTF-8'))
    }

    @Test
    void 'a claim of version 1 is taken as it is'() {
        assert decode('{"v":1,"a":[{"b":"\\u00e9","n":9007199254740992,"t":true,"x":null}]}') ==
            [v: 1, a: [[b: '\u00e9', n: 9007199254740992L, t: true, x: null]]]
    }

    @Test
    void 'what is nested too deeply is no claim, and no overflow'() {
        [33, 65, 10_000, 400_000].each { int depth ->
            assert decode('{"v":1,"assets":' + '[' * depth + ']' * depth + '}') == null
        }
        assert decode('{"v":1,"assets":' + '[' * 31 + ']' * 31 + '}')
        assert decode('{"v":1,"text":"' + '[' * 1_000 + '"}')
    }

    @Test(timeout = 20000L)
    void 'a number that another reader refuses or rounds is no claim'() {
        ['7' * 20_000, '7' * 900_000, '9007199254740993', '-9007199254740993', '9223372036854775808',
         '1.5', '1e400', '1e999999999', 'NaN'].each { String number ->
            assert decode('{"v":1,"n":' + number + '}') == null, number.take(20)
        }
        assert decode('{"v":1,"text":"' + '7' * 1_000 + '"}')
    }

    @Test
    void 'a claim is measured as it is sent, not as it lies there'() {
        assert decode('{"v":1,"t":"' + '\u007f' * 1_040_000 + '"}') == null
        assert decode('{"v":1,"t":"' + '\u007f' * 170_000 + '"}')
        assert decode('{"v":1,"t":"' + 'x' * (1 << 20) + '"}') == null
    }

    @Test
    void 'what is no object, torn, or another version is no claim'() {
        ['', '[]', '7', '"x"', '{"v":1', '{"v":2}', '{"v":"1"}', '{}', '\u0000' * 100].each { String text ->
            assert decode(text) == null, text
        }
    }

    @Test
    void 'an event that a build made too long loses claims and then its longest facts, never itself'() {
        def outbox = HookSources.load('Outbox').newInstance(new File(temporary.root, 'outbox'), 64 << 20)
        outbox.open('a' * 32, '2026-11-28T01:02:03.004Z')
        outbox.append([event: 'finalized', build: [number: 7], facts: [core: '2']], true)
        outbox.prepare(1L, [event: 'finalized', build: [number: 7],
            facts: [core: '2', stages: ['\u0007' * 3_000_000], parameters: ['x' * 100]],
            claims: [[v: 1, t: 'y' * 100]]])

        byte[] content = outbox.read(1L)
        assert content.length < 1_000
        assert HookSources.load('Json').decode(content) == [v: 1, seq: 1, event: 'finalized', build: [number: 7],
            facts: [core: '2', parameters: ['x' * 100]], claims: [], dropped: ['claims', 'stages']]
    }

    @Test
    void 'an event that the command set aside is counted'() {
        File folder = new File(temporary.root, 'outbox')
        def outbox = HookSources.load('Outbox').newInstance(folder, 1 << 20)
        outbox.open('a' * 32, '2026-11-28T01:02:03.004Z')
        new File(folder, 'events/bad').mkdirs()
        new File(folder, 'events/bad/0000000000000007.json').text = '{}'

        assert outbox.count().bad == 1
    }
}
