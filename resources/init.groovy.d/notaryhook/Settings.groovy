package notaryhook

import groovy.transform.CompileStatic

/**
 * What the administrator set, checked once at the start.
 *
 * <p>A key is looked for as system property {@code jenkins.notary.hook.KEY}, then as
 * environment variable {@code JENKINS_NOTARY_HOOK_KEY} of the controller's process, then of
 * Jenkins' global properties (which configuration as code sets), then as {@code KEY} in
 * {@code $JENKINS_HOME/jenkins-notary/hook.properties}. The command is never taken from the
 * global properties: every build sees those. The whole list is in docs/jenkins-hook.md.
 */
@CompileStatic
class Settings {
    static final List<String> MODES = ['observe', 'warn', 'enforce']
    private static final List<String> KEYS = [
        'include', 'exclude', 'claims', 'url', 'plainHttp', 'credentialsId', 'command', 'ledger', 'mode',
        'instance', 'maxOutboxBytes', 'batchBytes', 'timeoutSeconds', 'commandTimeoutSeconds',
        'sweepMinutes', 'sweepPerMinute', 'backfill',
    ]
    private static final String SECRET = /(?i).*(TOKEN|PASSPHRASE|PASSWORD|SECRET)/
    private static final String COMMAND_ENVIRONMENT = 'command.env.'

    final Patterns patterns
    /** The jobs whose builds may claim; with {@link #patterns}. */
    private final Patterns claiming
    final String url, credentialsId, command, ledger, mode, instance
    final long maxOutboxBytes
    final int batchBytes, timeoutSeconds, commandTimeoutSeconds, sweepMinutes, sweepPerMinute
    final boolean backfill
    /** Variables for the command, all of them JENKINS_NOTARY_*. */
    final Map<String, String> commandEnvironment

    /**
     * @param sources from the strongest to the weakest, each a map of keys to texts
     * @throws IllegalArgumentException naming the key, what was expected and what was got
     */
    Settings(List<Map<String, String>> sources) {
        Map<String, String> all = [:]
        sources.reverse().each { Map<String, String> source -> all.putAll(source) }
        Set<String> unknown = all.keySet().findAll { String key ->
            !(key in KEYS) && !key.startsWith(COMMAND_ENVIRONMENT)
        }
        if (unknown) {
            throw new IllegalArgumentException("settings: unknown ${unknown.sort()}; known: ${KEYS}")
        }
        List<String> included = words(all.get('include'))
        patterns = new Patterns(included ?: ['**'], words(all.get('exclude')))
        url = checkUrl(text(all, 'url'), flag(all, 'plainHttp'))
        credentialsId = text(all, 'credentialsId')
        command = text(all, 'command')
        ledger = text(all, 'ledger')
        mode = checkMode(text(all, 'mode'))
        instance = checkInstance(text(all, 'instance'))
        maxOutboxBytes = number(all, 'maxOutboxBytes', 256L << 20, 1L << 20, 1L << 40)
        batchBytes = (int) number(all, 'batchBytes', 4L << 20, 1L << 10, 64L << 20)
        timeoutSeconds = (int) number(all, 'timeoutSeconds', 30, 1, 3_600)
        commandTimeoutSeconds = (int) number(all, 'commandTimeoutSeconds', 600, 1, 86_400)
        sweepMinutes = (int) number(all, 'sweepMinutes', 60, 1, 10_080)
        sweepPerMinute = (int) number(all, 'sweepPerMinute', 120, 1, 6_000)
        backfill = flag(all, 'backfill')
        commandEnvironment = checkCommandEnvironment(all)
        List<String> claims = words(all.get('claims'))
        // Whoever writes into the ledger signs what is claimed: the command with the one key
        // that the hook has, so none may unless it is said; the service by its own rules.
        claiming = new Patterns(claims ?: words(url ? '**' : ''), words(''))
        if (url && command) {
            throw new IllegalArgumentException('settings: expected url or command, got both')
        }
        if (url && !credentialsId) {
            throw new IllegalArgumentException(
                'settings: url needs credentialsId, the id of a secret-text credential')
        }
    }

    /** Return whether what builds of a job claim is delivered. */
    boolean takesClaims(String job) {
        patterns.covers(job) && claiming.covers(job)
    }

    /** Return the settings of a system properties table, its prefix cut off. */
    static Map<String, String> ofProperties(Map<String, String> properties) {
        String prefix = 'jenkins.notary.hook.'
        (Map<String, String>) properties.findAll { String key, String value -> key.startsWith(prefix) }
            .collectEntries { String key, String value -> [(key.substring(prefix.length())): value] }
    }

    /** Return the settings of an environment, JENKINS_NOTARY_HOOK_MAX_OUTBOX_BYTES and so on. */
    static Map<String, String> ofEnvironment(Map<String, String> environment) {
        Map<String, String> names = [:]
        KEYS.each { String key ->
            String name = key.replaceAll('([A-Z])', '_$1').toUpperCase(Locale.ROOT)
            names.put('JENKINS_NOTARY_HOOK_' + name, key)
        }
        (Map<String, String>) environment.findAll { String key, String value -> names.containsKey(key) }
            .collectEntries { String key, String value -> [(names.get(key)): value] }
    }

    /** Return the settings of Jenkins' global properties: all but the command. */
    static Map<String, String> ofGlobalProperties(Map<String, String> environment) {
        ofEnvironment(environment).findAll { String key, String value -> !key.startsWith('command') }
    }

    /**
     * Return the settings of the file, none where there is no file.
     *
     * @throws IllegalArgumentException it holds a secret, and others may read it
     */
    static Map<String, String> ofFile(File file) {
        Properties properties = new Properties()
        if (file.file) {
            file.withReader('UTF-8') { Reader reader -> properties.load(reader) }
            List<String> secrets = properties.keySet().collect { Object key -> key as String }
                .findAll { String key -> key ==~ SECRET }
            if (secrets && !Disk.isPrivate(file)) {
                throw new IllegalArgumentException(
                    "settings: ${file}: expected mode 0600, since it holds ${secrets.sort()}")
            }
        }
        (Map<String, String>) properties.collectEntries { key, value -> [(key as String): value as String] }
    }

    private static List<String> words(String text) {
        (text ?: '').tokenize(',\n').collect { String word -> word.trim() }.findAll { String word -> word }
    }

    private static String text(Map<String, String> all, String key) {
        all.get(key)?.trim() ?: null
    }

    private static boolean flag(Map<String, String> all, String key) {
        String value = text(all, key) ?: 'false'
        if (!(value in ['true', 'false'])) {
            throw new IllegalArgumentException("settings: ${key}: expected true or false, got ${value}")
        }
        value == 'true'
    }

    private static long number(
            Map<String, String> all, String key, long unset, long least, long most) {
        String value = text(all, key)
        if (value == null) {
            return unset
        }
        if (!value.isLong() || value.toLong() < least || value.toLong() > most) {
            throw new IllegalArgumentException(
                "settings: ${key}: expected a number from ${least} to ${most}, got ${value}")
        }
        value.toLong()
    }

    private static String checkUrl(String url, boolean plainHttp) {
        if (url == null) {
            return null
        }
        URI parsed = URI.create(url)
        boolean loopback = parsed.host in ['127.0.0.1', 'localhost', '[::1]']
        boolean allowed = parsed.scheme == 'https' || parsed.scheme == 'http' && (loopback || plainHttp)
        if (!allowed || !parsed.host || parsed.userInfo || parsed.query || parsed.fragment) {
            throw new IllegalArgumentException(
                'settings: url: expected https://host[:port][/path] without credentials or query ' +
                '(http:// only to this machine, or with plainHttp=true)')
        }
        url.replaceAll('/+$', '')
    }

    private static String checkMode(String mode) {
        if (mode != null && !(mode in MODES)) {
            throw new IllegalArgumentException("settings: mode: expected one of ${MODES}, got ${mode}")
        }
        mode
    }

    private static String checkInstance(String instance) {
        if (instance != null && !(instance ==~ /[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?/)) {
            throw new IllegalArgumentException(
                "settings: instance: expected lower-case letters, digits, '.' and '-', got ${instance}")
        }
        instance
    }

    private static Map<String, String> checkCommandEnvironment(Map<String, String> all) {
        Map<String, String> found = [:]
        all.each { String key, String value ->
            if (key.startsWith(COMMAND_ENVIRONMENT)) {
                String name = key.substring(COMMAND_ENVIRONMENT.length())
                if (!(name ==~ /JENKINS_NOTARY_[A-Z0-9_]+/)) {
                    throw new IllegalArgumentException(
                        "settings: ${key}: expected ${COMMAND_ENVIRONMENT}JENKINS_NOTARY_*")
                }
                found.put(name, value)
            }
        }
        found
    }
}
