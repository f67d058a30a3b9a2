package notaryhook

import hudson.model.AbstractBuild
import hudson.model.Cause
import hudson.model.Job
import hudson.model.ParameterValue
import hudson.model.ParametersAction
import hudson.model.Run
import java.security.MessageDigest
import java.util.zip.GZIPInputStream
import jenkins.model.Jenkins

/**
 * What only the controller knows of a build; the list is in docs/formats/outbox.md.
 *
 * <p>Each fact is found by itself: one that cannot be read is left out, and the others
 * stay. Plugins are met by name only, so nothing here fails where one is missing.
 */
class Facts {
    static final int MAX_VALUE_CHARACTERS = 4_096
    private static final int MAX_PARAMETERS = 500
    private static final int MAX_ARTIFACTS = 100_000

    private final Run run
    private final Complaints complaints
    private final Map<String, Object> found = [:]

    private Facts(Run run, Complaints complaints) {
        this.run = run
        this.complaints = complaints
    }

    /** Return the facts that are in memory when a build ends. */
    static Map<String, Object> quick(Run run, Complaints complaints) {
        new Facts(run, complaints).with {
            find('causes') { causes() }
            find('parameters') { parameters() }
            find('script') { script() }
            find('replay') { Pipelines.replay(run) }
            found
        }
    }

    /** Return all facts, those included that must be read from the disk. */
    static Map<String, Object> whole(Run run, String mode, Complaints complaints) {
        quick(run, complaints) + new Facts(run, complaints).with {
            find('core') { Jenkins.VERSION }
            find('plugins') { plugins() }
            find('mode') { mode }
            find('scm') { Sources.revisions(run) }
            find('change') { Sources.change(run.parent) }
            find('artifacts') { run.getArtifactsUpTo(MAX_ARTIFACTS).size() }
            find('libraries') { Pipelines.libraries(run) }
            FlowGraph graph = (FlowGraph) attempt('graph') { FlowGraph.of(run) }
            find('approvals') { graph?.approvals() }
            find('rejections') { graph?.rejections() }
            find('node') { graph?.workers() ?: node() }
            find('log') { log(graph?.stagesOf ?: [:]) }
            Map ranges = (Map) found.remove('ranges') ?: [:]
            find('stages') {
                graph?.stages()?.collect { Map stage ->
                    ranges[stage.id] ? stage + [lines: ranges[stage.id]] : stage
                }
            }
            found
        }
    }

    private void find(String key, Closure fact) {
        Object value = attempt(key) { Secrets.hide(fact.call()) }
        if (value != null) {
            found[key] = value
        }
    }

    private Object attempt(String key, Closure fact) {
        try {
            fact.call()
        } catch (Throwable error) {
            complaints.tell("fact ${key}", "left out for ${run.externalizableId}: ${error}", error)
            null
        }
    }

    private List<Map> causes() {
        run.causes.collect { Cause cause ->
            Map<String, Object> told = [kind: cause.class.simpleName ?: cause.class.name]
            if (cause instanceof Cause.UserIdCause) {
                told.user = cause.userId
            } else if (cause instanceof Cause.UpstreamCause) {
                told.upstream = [job: cause.upstreamProject, build: cause.upstreamBuild]
            }
            told.findAll { key, value -> value != null }
        }
    }

    private List<Map> parameters() {
        List<ParameterValue> all = run.getActions(ParametersAction)*.allParameters.flatten()
        all ? all.take(MAX_PARAMETERS).collect { ParameterValue one -> parameter(one) } : null
    }

    /** Tell a parameter; a secret one, or one that looks so, by its name only. */
    private static Map parameter(ParameterValue parameter) {
        Object value = parameter.sensitive || Secrets.isName(parameter.name) ? null : parameter.value
        if (!(value instanceof CharSequence || value instanceof Number || value instanceof Boolean)) {
            return [name: parameter.name, secret: true]
        }
        String text = value as String
        if (Secrets.isValue(text.take(MAX_VALUE_CHARACTERS))) {
            return [name: parameter.name, secret: true]
        }
        [name: parameter.name, value: text.length() <= MAX_VALUE_CHARACTERS ? text :
            text.take(MAX_VALUE_CHARACTERS - 1) + '\u2026']
    }

    private Map script() {
        String kind = Pipelines.isPipeline(run) ? 'pipeline' :
            run.class.simpleName == 'FreeStyleBuild' ? 'freestyle' : run.class.simpleName
        [kind: kind] + (kind == 'pipeline' ? Pipelines.script(run) : [:])
    }

    private List<Map> node() {
        if (!(run instanceof AbstractBuild)) {
            return null
        }
        String name = run.builtOnStr ?: ''
        [nodeOf(name, run.builtOn?.assignedLabels*.name)]
    }

    /** Tell a node by its name; Jenkins calls the built-in one ''. */
    static Map nodeOf(String name, Collection<String> labels) {
        [name: name ?: 'built-in', builtIn: name == '', labels: (labels ?: []).toSorted()]
    }

    private static List<Map> plugins() {
        Jenkins.get().pluginManager.plugins.findAll { it.active }
            .collect { [name: it.shortName, version: it.version] }.sort { it.name }
    }

    /** Return size and lines of the log file; log stores outside the build are left out. */
    private Map log(Map<String, List<String>> stagesOf) {
        File plain = new File(run.rootDir, 'log')
        File packed = new File(run.rootDir, 'log.gz')
        if (!plain.file && !packed.file) {
            return null
        }
        InputStream stream = plain.file ? new FileInputStream(plain) :
            new GZIPInputStream(new FileInputStream(packed))
        File index = new File(run.rootDir, 'log-index')
        Map<String, Object> read = stream.withStream { InputStream log ->
            LogLines.read(log, index.file ? index.newReader('UTF-8') : null, stagesOf)
        }
        found.ranges = read.ranges
        [size: read.size, lines: read.lines]
    }

    static String sha256(byte[] content) {
        MessageDigest.getInstance('SHA-256').digest(content).encodeHex().toString()
    }

    /** Return a class of Jenkins or of an optional plugin, null: it is not there. */
    static Class load(String name) {
        try {
            Jenkins.get().pluginManager.uberClassLoader.loadClass(name)
        } catch (ClassNotFoundException | LinkageError ignored) {
            null
        }
    }
}
