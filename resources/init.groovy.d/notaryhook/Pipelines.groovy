package notaryhook

import hudson.model.Action
import hudson.model.Run

/** What the Pipeline plugins know of a build, each of them met by name only. */
class Pipelines {
    private static final int MAX_NODES = 200_000
    private static final int MAX_TOLD = 1_000
    private static final String ACTIONS = 'org.jenkinsci.plugins.workflow.actions.'
    private static final String GRAPH = 'org.jenkinsci.plugins.workflow.graph.'
    private static final String INPUT = 'org.jenkinsci.plugins.workflow.support.steps.input.'
    private static final String LIBRARIES = 'org.jenkinsci.plugins.workflow.libs.'

    /** Return whether a build is one of Pipeline. */
    static boolean isPipeline(Run run) {
        Facts.load('org.jenkinsci.plugins.workflow.job.WorkflowRun')?.isInstance(run) ?: false
    }

    /** Return the digest of the script that ran, where it came from, and what it loaded. */
    static Map script(Run run) {
        Object execution = run.execution
        Map told = [:]
        if (execution?.metaClass?.respondsTo(execution, 'getScript')) {
            told.sha256 = Facts.sha256(execution.script.getBytes('UTF-8'))
            told.loaded = execution.loadedScripts?.take(MAX_TOLD)?.collect { String name, String text ->
                [name: name, sha256: Facts.sha256(text.getBytes('UTF-8'))]
            } ?: null
        }
        Sources.known(told + origin(run))
    }

    private static Map origin(Run run) {
        Object definition = run.parent.definition
        String kind = definition?.class?.simpleName
        if (kind == 'CpsFlowDefinition') {
            return [source: 'inline']
        }
        if (kind == 'CpsScmFlowDefinition') {
            String url = Sources.urlOf(definition.scm)
            return [source: 'scm', scm: Sources.known(
                url: url, commit: Sources.commitOf(run, url), path: definition.scriptPath)]
        }
        // Multibranch: the branch's own SCM, at the revision that was found for the build.
        kind == 'SCMBinder' ? [source: 'scm', scm: branchSource(run, definition)] : [:]
    }

    private static Map branchSource(Run run, Object definition) {
        Class revisions = Facts.load('jenkins.scm.api.SCMRevisionAction')
        Object revision = revisions == null ? null : run.getAction(revisions)?.revision
        Class property = Facts.load('org.jenkinsci.plugins.workflow.multibranch.BranchJobProperty')
        Object branch = property == null ? null : run.parent.getProperty(property)?.branch
        Sources.known(
            url: Sources.urlOf(branch?.scm),
            commit: revision?.metaClass?.respondsTo(revision, 'getHash') ? revision.hash : null,
            path: definition.@scriptPath)
    }

    /** Return whether a build replays another, null: it is no Pipeline. */
    static Map replay(Run run) {
        if (!isPipeline(run)) {
            return null
        }
        Object cause = run.causes.find { it.class.simpleName == 'ReplayCause' }
        cause == null ? [isReplay: false] : [isReplay: true, original: cause.originalNumber]
    }

    /** Return the libraries that a build loaded, null: none. */
    static List<Map> libraries(Run run) {
        Class type = Facts.load(LIBRARIES + 'LibrariesAction')
        Object action = type == null ? null : run.getAction(type)
        action?.libraries?.take(MAX_TOLD)?.collect { Object library ->
            Sources.known(name: library.name, version: library.version,
                sha: commitOf(run, library), trusted: library.trusted, changelog: library.changelog)
        } ?: null
    }

    /** Return a library's commit: its version if that is one, else what was checked out. */
    private static String commitOf(Run run, Object library) {
        if (library.version ==~ /[0-9a-f]{40}|[0-9a-f]{64}/) {
            return library.version
        }
        Class resolvers = Facts.load(LIBRARIES + 'LibraryResolver')
        for (Object resolver : jenkins.model.Jenkins.get().getExtensionList(resolvers)) {
            Object known = resolver.forJob(run.parent, [(library.name): library.version])
                .find { it.name == library.name }
            Object retriever = known?.retriever
            if (retriever?.metaClass?.respondsTo(retriever, 'getScm')) {
                return Sources.commitOf(run, Sources.urlOf(retriever.scm))
            }
        }
        null
    }

    /**
     * Return what the flow graph holds: [stages:, approvals:, rejections:, node:, stagesOf:].
     */
    static Map<String, Object> graph(Run run) {
        Class scanner = Facts.load('org.jenkinsci.plugins.workflow.graphanalysis.DepthFirstScanner')
        Object execution = isPipeline(run) ? run.execution : null
        if (scanner == null || execution == null) {
            return [:]
        }
        List<Object> nodes = scanner.newInstance().allNodes(execution).take(MAX_NODES + 1)
        if (nodes.size() > MAX_NODES) {
            throw new IllegalStateException("flow graph: expected at most ${MAX_NODES} nodes")
        }
        nodes.sort { it.id.isInteger() ? it.id.toInteger() : 0 }
        Map<String, Object> ends = nodes.findAll { isA(it, GRAPH + 'BlockEndNode') }
            .collectEntries { [(it.startNode.id): it] }
        List<Object> stages = nodes.findAll { isStage(it) }
        Map<String, List<String>> stagesOf = stagesOf(nodes, stages*.id as Set)
        Map<String, Object> warnings = warnings(nodes, stagesOf)
        [stages: stages.take(MAX_TOLD).collect { stage(it, ends[it.id], warnings[it.id]) } ?: null,
         approvals: nodes.findResults { approval(it) }.take(MAX_TOLD) ?: null,
         rejections: nodes.findResults { rejection(it) }.take(MAX_TOLD) ?: null,
         node: workers(nodes) ?: null, stagesOf: stagesOf]
    }

    private static Map<String, List<String>> stagesOf(List<Object> nodes, Set<String> stages) {
        Map<String, List<String>> all = [:]
        nodes.each { Object node ->
            List<String> around = ([node.id] + node.allEnclosingIds).findAll { it in stages }
            if (around) {
                all[node.id] = around
            }
        }
        all
    }

    private static boolean isStage(Object node) {
        isA(node, GRAPH + 'BlockStartNode') && action(node, ACTIONS + 'LabelAction') != null &&
            action(node, ACTIONS + 'ThreadNameAction') == null &&
            node.metaClass.respondsTo(node, 'getDescriptor') && node.descriptor?.functionName == 'stage'
    }

    /** Return the last warning (a step that made the build unstable, say) of each stage. */
    private static Map<String, Object> warnings(List<Object> nodes, Map<String, List<String>> stagesOf) {
        Map<String, Object> found = [:]
        nodes.each { Object node ->
            Object warning = action(node, ACTIONS + 'WarningAction')
            if (warning != null) {
                stagesOf[node.id]?.each { String stage -> found[stage] = warning }
            }
        }
        found
    }

    private static Map stage(Object start, Object end, Object warning) {
        Long from = timeOf(start), to = end == null ? null : timeOf(end)
        Sources.known(id: start.id, name: action(start, ACTIONS + 'LabelAction').displayName,
            startedAt: from, durationMs: from && to ? to - from : null,
            status: end == null ? null : status(start, end, warning))
    }

    private static String status(Object start, Object end, Object warning) {
        Object error = end.error?.error
        if (error != null) {
            boolean interrupted = error.metaClass.respondsTo(error, 'getResult')
            return interrupted ? error.result.toString() : 'FAILURE'
        }
        if (action(start, ACTIONS + 'TagsAction')?.getTagValue('STAGE_STATUS')?.startsWith('SKIPPED')) {
            return 'NOT_BUILT'
        }
        (warning?.result ?: 'SUCCESS').toString()
    }

    /** Return who approved at an input step, null: the node is none, or nobody did. */
    private static Map approval(Object node) {
        Object submitted = isInput(node) ? action(node, INPUT + 'InputSubmittedAction') : null
        submitted == null ? null : decision(node, submitted.approver, endOfPause(node)) +
            Sources.known(ok: arguments(node).ok?.toString())
    }

    /** Return who aborted at an input step, null: the node is none, or nobody did. */
    private static Map rejection(Object node) {
        Object error = isInput(node) ? node.error?.error : null
        Object rejection = error?.metaClass?.respondsTo(error, 'getCauses') ?
            error.causes.find { it.class.simpleName == 'Rejection' } : null
        rejection == null ? null : decision(node, rejection.user?.id, rejection.timestamp?.time)
    }

    private static Map decision(Object node, String who, Long at) {
        Map told = arguments(node)
        Sources.known(id: told.id?.toString() ?: node.id,
            message: told.message?.toString()?.take(Facts.MAX_VALUE_CHARACTERS),
            submitter: who, at: at ? Events.format(at) : null)
    }

    private static boolean isInput(Object node) {
        node.metaClass.respondsTo(node, 'getDescriptor') && node.descriptor?.functionName == 'input'
    }

    private static Map arguments(Object node) {
        Facts.load(ACTIONS + 'ArgumentsAction').getFilteredArguments(node)
    }

    private static Long endOfPause(Object node) {
        action(node, 'org.jenkinsci.plugins.workflow.support.actions.PauseAction')?.endTime ?: null
    }

    private static List<Map> workers(List<Object> nodes) {
        nodes.collect { action(it, ACTIONS + 'WorkspaceAction') }.findAll()
            .collect { Facts.nodeOf(it.node, it.labels*.name) }.unique().take(MAX_TOLD)
    }

    private static Long timeOf(Object node) {
        action(node, ACTIONS + 'TimingAction')?.startTime
    }

    private static Object action(Object node, String name) {
        Class<? extends Action> type = Facts.load(name)
        type == null ? null : node.getAction(type)
    }

    private static boolean isA(Object node, String name) {
        Facts.load(name)?.isInstance(node)
    }
}
