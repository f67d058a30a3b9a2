package notaryhook

import hudson.model.Run

/**
 * A Pipeline build's flow graph: what Jenkins itself keeps of each step. The plugins that
 * it is made of are met by name only.
 */
class FlowGraph {
    private static final int MAX_NODES = 200_000
    private static final int MAX_TOLD = 1_000
    private static final String ACTIONS = 'org.jenkinsci.plugins.workflow.actions.'
    private static final String GRAPH = 'org.jenkinsci.plugins.workflow.graph.'
    private static final String INPUT = 'org.jenkinsci.plugins.workflow.support.steps.input.'

    private final List<Object> nodes
    private final List<Object> starts
    /** The ids of the stages that enclose a node, itself included, by the node's id. */
    final Map<String, List<String>> stagesOf

    private FlowGraph(List<Object> nodes) {
        this.nodes = nodes
        starts = nodes.findAll { isStage(it) }
        Set<String> ids = starts*.id as Set
        stagesOf = [:]
        nodes.each { Object node ->
            List<String> around = ([node.id] + node.allEnclosingIds).findAll { it in ids }
            if (around) {
                stagesOf[node.id] = around
            }
        }
    }

    /**
     * Read the graph of a build, null: it is no Pipeline, or its plugins are not there.
     *
     * @throws IllegalStateException the graph has too many nodes
     */
    static FlowGraph of(Run run) {
        Class scanner = Facts.load('org.jenkinsci.plugins.workflow.graphanalysis.DepthFirstScanner')
        Object execution = Pipelines.isPipeline(run) ? run.execution : null
        if (scanner == null || execution == null) {
            return null
        }
        List<Object> nodes = scanner.newInstance().allNodes(execution).take(MAX_NODES + 1)
        if (nodes.size() > MAX_NODES) {
            throw new IllegalStateException("flow graph: expected at most ${MAX_NODES} nodes")
        }
        new FlowGraph(nodes.sort { it.id.isInteger() ? it.id.toInteger() : 0 })
    }

    /** Return the stages in the order of their beginning, null: none. */
    List<Map> stages() {
        Map<String, Object> ends = nodes.findAll { isA(it, GRAPH + 'BlockEndNode') }
            .collectEntries { [(it.startNode.id): it] }
        Map<String, Object> warnings = warnings()
        starts.take(MAX_TOLD).collect { stage(it, ends[it.id], warnings[it.id]) } ?: null
    }

    /** Return who let which input step pass, null: nobody. */
    List<Map> approvals() {
        nodes.findAll { isInput(it) }.findResults { Object node ->
            Object submitted = action(node, INPUT + 'InputSubmittedAction')
            Object pause = action(node, 'org.jenkinsci.plugins.workflow.support.actions.PauseAction')
            submitted == null ? null : decision(node, submitted.approver, pause?.endTime) +
                Sources.known(ok: arguments(node).ok?.toString())
        }.take(MAX_TOLD) ?: null
    }

    /** Return who aborted at which input step, null: nobody. */
    List<Map> rejections() {
        nodes.findAll { isInput(it) }.findResults { Object node ->
            Object error = node.error?.error
            Object rejection = error?.metaClass?.respondsTo(error, 'getCauses') ?
                error.causes.find { it.class.simpleName == 'Rejection' } : null
            rejection == null ? null : decision(node, rejection.user?.id, rejection.timestamp)
        }.take(MAX_TOLD) ?: null
    }

    /** Return the nodes that ran a part of the build, null: none did. */
    List<Map> workers() {
        nodes.findResults { action(it, ACTIONS + 'WorkspaceAction') }
            .collect { Facts.nodeOf(it.node, it.labels*.name) }.unique().take(MAX_TOLD) ?: null
    }

    /** Return the last warning (a step that made the build unstable, say) of each stage. */
    private Map<String, Object> warnings() {
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
        String tag = action(start, ACTIONS + 'TagsAction')?.getTagValue('STAGE_STATUS')
        tag?.startsWith('SKIPPED') ? 'NOT_BUILT' : (warning?.result ?: 'SUCCESS').toString()
    }

    private static Map decision(Object node, String who, Long atMs) {
        Map told = arguments(node)
        Sources.known(id: told.id?.toString() ?: node.id,
            message: told.message?.toString()?.take(Facts.MAX_VALUE_CHARACTERS),
            submitter: who, at: atMs ? Events.format(atMs) : null)
    }

    private static boolean isStage(Object node) {
        isStep(node, 'stage') && isA(node, GRAPH + 'BlockStartNode') &&
            action(node, ACTIONS + 'LabelAction') != null && action(node, ACTIONS + 'ThreadNameAction') == null
    }

    private static boolean isInput(Object node) {
        isStep(node, 'input')
    }

    private static boolean isStep(Object node, String name) {
        node.metaClass.respondsTo(node, 'getDescriptor') && node.descriptor?.functionName == name
    }

    private static Map arguments(Object node) {
        Facts.load(ACTIONS + 'ArgumentsAction').getFilteredArguments(node)
    }

    private static Long timeOf(Object node) {
        action(node, ACTIONS + 'TimingAction')?.startTime
    }

    private static Object action(Object node, String name) {
        Class type = Facts.load(name)
        type == null ? null : node.getAction(type)
    }

    private static boolean isA(Object node, String name) {
        Facts.load(name)?.isInstance(node)
    }
}
