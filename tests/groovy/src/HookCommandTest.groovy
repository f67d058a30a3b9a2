import org.junit.Before
import org.junit.Rule
import org.junit.Test
import org.junit.rules.TemporaryFolder

class HookCommandTest {
    @Rule
    public TemporaryFolder temporary = new TemporaryFolder()

    private Object outbox

    @Before
    void fill() {
        outbox = HookSources.load('Outbox').newInstance(new File(temporary.root, 'out box'), 1 << 20)
        outbox.open('a' * 32, '2026-11-28T01:02:03.004Z')
        3.times {
            Long seq = outbox.append([event: 'x'], true)
            outbox.prepare(seq, outbox.readUnprepared(seq))
        }
    }

    private Map send(String script, Map<String, String> environment = [PATH: '/usr/bin:/bin'], int timeout = 20) {
        File program = temporary.newFile()
        program.text = "#!/bin/sh\n${script}\n"
        program.executable = true
        Map<Long, byte[]> batch = outbox.ready.collectEntries { seq -> [(seq): outbox.read(seq)] }
        HookSources.load('CommandTransport').newInstance(program.path, timeout, outbox, environment).send(batch)
    }

    private String failure(String script, int timeout = 20) {
        try {
            send(script, [PATH: '/usr/bin:/bin'], timeout)
        } catch (IOException error) {
            assert error.class.simpleName == 'DeliveryException'
            return error.message
        }
        null
    }

    @Test
    void 'the command gets the folder, deletes what it recorded, and its JSON is read'() {
        Map answer = send('''
            test "$1 $2 $4 $5 $6 $7" = "collect --outbox -o json --event-timeout 8" || exit 64
            rm "$3"/events/*.json
            printf '{"records":[],"checkpoint":"note"}'
        ''')
        assert answer == [records: [], checkpoint: 'note', accepted: 3L, fault: null]
    }

    @Test
    void 'what the command left is not counted as delivered'() {
        assert send('rm "$3"/events/*1.json').accepted == 1L
        assert failure('exit 0').endsWith('exit code 0, but event 2 is still there')
    }

    @Test
    void 'a failure tells code and the end of what it said'() {
        assert failure('echo "ledger: away" >&2; exit 69').endsWith('collect: exit code 69: ledger: away')
    }

    @Test
    void 'a command that takes some and fails is asked again, and its fault is told'() {
        Map answer = send('rm "$3"/events/*1.json; echo "event 2: malformed" >&2; exit 65')

        assert answer.accepted == 1L
        assert answer.fault.endsWith('collect: exit code 65: event 2: malformed')
    }

    @Test
    void 'only allowed variables reach the command'() {
        Map<String, String> allowed = HookSources.load('CommandTransport').allowed(
            [PATH: '/bin', AWS_SECRET_ACCESS_KEY: 'x', JENKINS_HOME: '/h', JENKINS_NOTARY_LEDGER: 'a',
             JENKINS_NOTARY_HOOK_URL: 'x'], [JENKINS_NOTARY_LEDGER: 'b', JENKINS_NOTARY_KEY: 'k'])

        assert allowed == [PATH: '/bin', JENKINS_NOTARY_LEDGER: 'b', JENKINS_NOTARY_KEY: 'k']
        assert send('env >"$3/seen"; rm "$3"/events/*', allowed).accepted == 3L
        List<String> names = new File(temporary.root, 'out box/seen').readLines()*.tokenize('=')*.first()
        // The shell itself adds some.
        assert names.toSet() - ['PWD', 'SHLVL', '_', 'OLDPWD'] == allowed.keySet()
    }

    @Test(timeout = 30000L)
    void 'a command without an end is ended with its children'() {
        long start = System.currentTimeMillis()
        assert failure('sleep 300 & echo $! >"$3/child"; wait', 1).endsWith('no end after 1 s, 1 times from event 1 on')
        assert System.currentTimeMillis() - start < 20_000
        String child = new File(temporary.root, 'out box/child').text.trim()
        assert !new File("/proc/${child}/cmdline").exists() || new File("/proc/${child}/cmdline").text == ''
    }

    @Test(timeout = 60000L)
    void 'a command that had to be ended gets less time for the same event, and what it took counts'() {
        File program = temporary.newFile()
        program.text = '''#!/bin/sh
            echo "$7" >>"$3/seconds"
            test -e "$3/events/0000000000000001.json" || { rm "$3"/events/*2.json; exec sleep 30; }
            test "$7" -gt 1 && exec sleep 30
            rm "$3"/events/*1.json
        '''
        program.executable = true
        def transport = HookSources.load('CommandTransport').newInstance(program.path, 3, outbox, [PATH: '/usr/bin:/bin'])
        Closure<Map> batch = { outbox.ready.collectEntries { seq -> [(seq): outbox.read(seq)] } }
        File seconds = new File(temporary.root, 'out box/seconds')

        assert transport.eventSeconds(batch()) == 1
        assert HookSources.load('CommandTransport').newInstance('/x', 600, outbox, [:]).with { slow ->
            [0, 1, 2, 3].collect { slow.eventSeconds(batch()).with { found -> slow.endedFault(batch()); found } }
        } == [240, 30, 3, 1]
        assert transport.send(batch()).accepted == 1L
        Map taken = transport.send(batch())
        assert taken.accepted == 2L
        assert taken.fault.endsWith('no end after 3 s, 1 times from event 2 on')
        assert seconds.readLines() == ['1', '1']
    }

    @Test(timeout = 60000L)
    void 'endless output is read and not kept'() {
        assert send('head -c 30000000 /dev/zero; head -c 30000000 /dev/zero >&2; rm "$3"/events/*').accepted == 3L
    }

    @Test
    void 'a program that is not there is a failure to wait for'() {
        try {
            HookSources.load('CommandTransport').newInstance('/nonexistent/x', 5, outbox, [:]).send([1L: new byte[0]])
            assert false
        } catch (IOException error) {
            assert error.message.startsWith('/nonexistent/x: ')
        }
    }
}
