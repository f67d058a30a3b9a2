package notaryhook

import groovy.transform.CompileStatic
import java.util.concurrent.TimeUnit

/**
 * Deliver events by the installed command line: {@code COMMAND collect --outbox FOLDER}.
 *
 * <p>No shell. The command's environment is an allow-list, its time and output are bounded.
 * It deletes the events that it recorded; what is left is tried again.
 */
@CompileStatic
class CommandTransport implements Transport {
    private static final int MAX_OUTPUT_BYTES = 8 << 20
    private static final int MAX_TOLD_CHARACTERS = 2_000
    private static final List<String> PASSED = [
        'PATH', 'HOME', 'USER', 'LANG', 'LC_ALL', 'TZ', 'TMPDIR', 'SystemRoot', 'TEMP', 'TMP',
        'XDG_DATA_HOME', 'XDG_STATE_HOME', 'XDG_CONFIG_HOME', 'SSL_CERT_FILE', 'REQUESTS_CA_BUNDLE',
        'HTTPS_PROXY', 'HTTP_PROXY', 'NO_PROXY', 'https_proxy', 'http_proxy', 'no_proxy',
    ]

    private final List<String> command
    private final int timeoutSeconds
    private final Outbox outbox
    private final Map<String, String> environment
    /** How often the command had to be ended at one first event. */
    private long endedAt = 0
    private int ended = 0

    CommandTransport(String program, int timeoutSeconds, Outbox outbox, Map<String, String> environment) {
        this.command = [program, 'collect', '--outbox', outbox.folder.path, '-o', 'json']
        this.timeoutSeconds = timeoutSeconds
        this.outbox = outbox
        this.environment = environment
    }

    /** Return what of the controller's environment, and of the settings, the command sees. */
    static Map<String, String> allowed(Map<String, String> controller, Map<String, String> settings) {
        Map<String, String> passed = controller.findAll { String name, String value ->
            name in PASSED ||
                name.startsWith('JENKINS_NOTARY_') && !name.startsWith('JENKINS_NOTARY_HOOK')
        }
        passed + settings
    }

    @Override
    Map<String, Object> send(Map<Long, byte[]> batch) {
        ProcessBuilder builder = new ProcessBuilder(command + ['--event-timeout', "${eventSeconds(batch)}".toString()])
        builder.environment().clear()
        builder.environment().putAll(environment)
        Process process
        try {
            process = builder.start()
        } catch (IOException error) {
            throw new DeliveryException("${command.first()}: ${error.message}")
        }
        process.outputStream.close()
        Bounded output = new Bounded(process.inputStream)
        Bounded errors = new Bounded(process.errorStream)
        boolean done = false
        try {
            done = process.waitFor(timeoutSeconds, TimeUnit.SECONDS)
            if (done) {
                output.join(5_000)
                errors.join(5_000)
            }
        } finally {
            end(process)
        }
        answer(done ? fault(process.exitValue(), errors.text) : endedFault(batch), batch, output.content)
    }

    /**
     * Return how long the command may read one build: twice that, and it ends by itself. A
     * first event at which it had to be ended gets less each time, in the end no more than
     * its facts.
     */
    private int eventSeconds(Map<Long, byte[]> batch) {
        int tries = batch.keySet().first() == endedAt ? ended : 0
        (int) Math.max(1L, (timeoutSeconds * 2L).intdiv(5) >> Math.min(3 * tries, 30))
    }

    private String endedFault(Map<Long, byte[]> batch) {
        long first = batch.keySet().first()
        ended = first == endedAt ? ended + 1 : 1
        endedAt = first
        "${command.first()}: no end after ${timeoutSeconds} s, ${ended} times from event ${first} on"
    }

    private String fault(int code, String errors) {
        code == 0 ? null :
            "${command.first()} collect: exit code ${code}: ${errors.trim().take(MAX_TOLD_CHARACTERS)}"
    }

    /** End the command and, where the JVM can, what it started. */
    private static void end(Process process) {
        process.toHandle().descendants().each { ProcessHandle child -> child.destroyForcibly() }
        process.destroyForcibly().waitFor(5, TimeUnit.SECONDS)
    }

    /** Tell what the command took, whatever its exit code: one bad event gives it another. */
    private Map<String, Object> answer(String fault, Map<Long, byte[]> batch, byte[] output) {
        outbox.measure()
        Set<Long> left = outbox.ready.toSet()
        List<Long> taken = batch.keySet().takeWhile { Long seq -> !(seq in left) }.toList()
        if (taken.isEmpty()) {
            String stuck = "${command.first()} collect: exit code 0, but event ${batch.keySet().first()} is still there"
            throw new DeliveryException(fault ?: stuck)
        }
        Map<String, Object> own = [accepted: taken.last(), fault: fault] as Map<String, Object>
        (Json.decode(output) ?: [:]) + own
    }

    /** Read a stream to its end, keep no more than fits. */
    private static class Bounded extends Thread {
        private final InputStream stream
        private final ByteArrayOutputStream kept = new ByteArrayOutputStream()

        Bounded(InputStream stream) {
            super('jenkins-notary hook: command')
            this.stream = stream
            daemon = true
            start()
        }

        @Override
        void run() {
            byte[] block = new byte[1 << 13]
            try {
                int count
                while ((count = stream.read(block)) >= 0) {
                    synchronized (kept) {
                        kept.write(block, 0, Math.min(count, MAX_OUTPUT_BYTES - kept.size()))
                    }
                }
            } catch (IOException ignored) {
                // The stream ends with the process; what was read is kept.
            }
        }

        byte[] getContent() {
            synchronized (kept) {
                return kept.toByteArray()
            }
        }

        String getText() { new String(content, 'UTF-8') }
    }
}
