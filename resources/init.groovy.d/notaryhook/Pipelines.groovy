package notaryhook

import hudson.model.Run
import jenkins.model.Jenkins

/** What the Pipeline plugins know of a build, each of them met by name only. */
class Pipelines {
    private static final int MAX_TOLD = 1_000
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
        for (Object resolver : Jenkins.get().getExtensionList(resolvers)) {
            Object known = resolver.forJob(run.parent, [(library.name): library.version])
                .find { it.name == library.name }
            Object retriever = known?.retriever
            if (retriever?.metaClass?.respondsTo(retriever, 'getScm')) {
                return Sources.commitOf(run, Sources.urlOf(retriever.scm))
            }
        }
        null
    }
}
