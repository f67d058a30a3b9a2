import java.nio.file.Files
import java.nio.file.attribute.PosixFilePermissions
import org.junit.Test

class HookSettingsTest {
    private static Object settings(Map<String, String>... sources) {
        HookSources.load('Settings').newInstance(sources.toList())
    }

    private static String fault(Map<String, String> source) {
        try {
            settings(source)
            return null
        } catch (IllegalArgumentException error) {
            return error.message
        }
    }

    @Test
    void 'nothing set watches every job and delivers nowhere'() {
        def unset = settings([:])

        assert unset.patterns.covers('any/job')
        assert unset.url == null && unset.command == null && unset.mode == null
        assert !unset.backfill
    }

    @Test
    void 'an earlier source goes before a later one'() {
        assert settings([mode: 'enforce'], [mode: 'warn', ledger: 'https://l.example.com']).with {
            [mode, ledger]
        } == ['enforce', 'https://l.example.com']
    }

    @Test
    void 'patterns are separated by commas or line breaks'() {
        def found = settings([include: 'payments, tools/**\nlibs', exclude: 'payments/tmp'])

        assert ['payments/a', 'tools/x', 'libs'].every { found.patterns.covers(it) }
        assert !found.patterns.covers('payments/tmp/a') && !found.patterns.covers('other')
    }

    @Test
    void 'with a command only the named jobs claim, with a service all watched ones'() {
        def unset = settings([:]), command = settings([command: '/bin/x'])
        def named = settings([command: '/bin/x', claims: 'releases, tools/*', exclude: 'releases/tmp'])
        def service = settings([url: 'https://n.example.com', credentialsId: 'x', exclude: 'tmp'])
        def both = settings([url: 'https://n.example.com', credentialsId: 'x', claims: 'releases'])

        assert !unset.takesClaims('a') && !command.takesClaims('a')
        assert named.takesClaims('releases/app') && named.takesClaims('tools/x')
        assert !named.takesClaims('releases/tmp/x') && !named.takesClaims('releases-evil')
        assert service.takesClaims('a/b') && !service.takesClaims('tmp/x')
        assert both.takesClaims('releases/app') && !both.takesClaims('a')
    }

    @Test
    void 'a fault names the key, what was expected and what was got'() {
        assert fault(incldue: 'x').startsWith('settings: unknown [incldue]; known: [include, ')
        assert fault(mode: 'off') == 'settings: mode: expected one of [observe, warn, enforce], got off'
        assert fault(backfill: 'yes') == 'settings: backfill: expected true or false, got yes'
        assert fault(sweepMinutes: '0') == 'settings: sweepMinutes: expected a number from 1 to 10080, got 0'
        assert fault(maxOutboxBytes: '1e9').startsWith('settings: maxOutboxBytes: expected a number from 1048576')
        assert fault(instance: 'CI').startsWith("settings: instance: expected lower-case letters")
        assert fault(url: 'https://n.example.com', credentialsId: 'x', command: '/bin/x') ==
            'settings: expected url or command, got both'
        assert fault(url: 'https://n.example.com').contains('needs credentialsId')
        assert fault('command.env.PATH': '/x').startsWith('settings: command.env.PATH: expected')
    }

    @Test
    void 'a url is https, or plain to this machine, or plain when that is said'() {
        assert settings([url: 'https://n.example.com/base/', credentialsId: 'x']).url == 'https://n.example.com/base'
        assert settings([url: 'http://127.0.0.1:8080', credentialsId: 'x']).url == 'http://127.0.0.1:8080'
        assert settings([url: 'http://n.example.com', plainHttp: 'true', credentialsId: 'x']).url
        ['http://n.example.com', 'ftp://n.example.com', 'https://u:p@n.example.com', 'https://n.example.com/?a=1',
         'n.example.com', 'http://127.0.0.1.example.com'].each {
            String told = fault(url: it, credentialsId: 'x')
            assert told?.startsWith('settings: url: expected https://'), it
            assert !told.contains('u:p')
        }
    }

    @Test
    void 'each source has its own names for a key'() {
        Class type = HookSources.load('Settings')

        assert type.ofProperties(['jenkins.notary.hook.mode': 'warn', other: 'x']) == [mode: 'warn']
        assert type.ofEnvironment([JENKINS_NOTARY_HOOK_MAX_OUTBOX_BYTES: '9', JENKINS_NOTARY_HOOK: '1', PATH: 'x']) ==
            [maxOutboxBytes: '9']
        assert type.ofFile(new File('/nonexistent')) == [:]
    }

    @Test
    void 'a file with a secret in it is refused when others may read it'() {
        File file = File.createTempFile('hook', '.properties')
        try {
            Closure<Map> read = { String text, String mode ->
                file.text = text
                Files.setPosixFilePermissions(file.toPath(), PosixFilePermissions.fromString(mode))
                HookSources.load('Settings').ofFile(file)
            }
            String token = 'command.env.JENKINS_NOTARY_JENKINS_TOKEN'

            assert read("${token}=x", 'rw-------') == [(token): 'x']
            assert read("${token}_FILE=/x", 'rw-r--r--') == [(token + '_FILE'): '/x']
            ['rw-r-----', 'rw----r--', 'rw--w----'].each { String mode ->
                try {
                    read("${token}=hunter2", mode)
                    assert false, mode
                } catch (IllegalArgumentException error) {
                    assert error.message.endsWith("expected mode 0600, since it holds [${token}]")
                }
            }
        } finally {
            file.delete()
        }
    }

    @Test
    void 'what every build can see chooses no command'() {
        assert HookSources.load('Settings').ofGlobalProperties(
            [JENKINS_NOTARY_HOOK_COMMAND: '/bin/x', JENKINS_NOTARY_HOOK_COMMAND_TIMEOUT_SECONDS: '1',
             JENKINS_NOTARY_HOOK_MODE: 'warn']) == [mode: 'warn']
    }
}
