package notaryhook

import hudson.model.Job
import hudson.model.Run

/** Which sources a build had: revisions of git and the change request, by optional plugins. */
class Sources {
    private static final int MAX_REVISIONS = 100

    /** Return [[url:, commit:, branch:]] of each git checkout, null: none is known. */
    static List<Map> revisions(Run run) {
        List<Map> found = []
        for (Object data : buildData(run)) {
            Object revision = data.lastBuiltRevision
            for (String url : data.remoteUrls) {
                found << known(url: scrub(url), commit: revision?.sha1String,
                    branch: revision?.branches?.find()?.name)
            }
        }
        found.unique().take(MAX_REVISIONS) ?: null
    }

    /** Return the one commit that was checked out from a URL, null: none, or several were. */
    static String commitOf(Run run, String url) {
        List<String> commits = (revisions(run) ?: []).findAll { Map one -> one.url == url }*.commit.unique()
        commits.size() == 1 ? commits.first() : null
    }

    /** Return the change request that a multibranch job stands for, null: none. */
    static Map change(Job job) {
        Object head = Facts.load('jenkins.scm.api.SCMHead$HeadByItem')?.findHead(job)
        Class request = Facts.load('jenkins.scm.api.mixin.ChangeRequestSCMHead')
        if (head == null || request == null || !request.isInstance(head)) {
            return null
        }
        Class metadata = Facts.load('jenkins.scm.api.metadata.ObjectMetadataAction')
        known(id: head.id,
            branch: head.metaClass.respondsTo(head, 'getOriginName') ? head.originName : head.name,
            target: head.target.name,
            url: scrub(job.getAction(metadata)?.objectUrl),
            fork: head.origin.class.simpleName == 'Fork')
    }

    /** Return the address of a git SCM or SCM source, null: it has none. */
    static String urlOf(Object scm) {
        if (scm == null) {
            return null
        }
        Object url = scm.metaClass.respondsTo(scm, 'getUserRemoteConfigs') ?
            scm.userRemoteConfigs.find()?.url :
            scm.metaClass.respondsTo(scm, 'getRemote') ? scm.remote : null
        scrub(url as String)
    }

    /** Return a URL without user, password, query and fragment. */
    static String scrub(String url) {
        url?.replaceAll('://[^/?#]*@', '://')?.replaceAll('[?#].*', '')
    }

    /** Return a map without what is not known. */
    static Map known(Map<String, Object> all) {
        all.findAll { key, value -> value != null }
    }

    private static List<Object> buildData(Run run) {
        Class type = Facts.load('hudson.plugins.git.util.BuildData')
        type == null ? [] : run.getActions(type)
    }
}
