package notaryhook

import groovy.transform.CompileStatic
import hudson.model.Job
import hudson.model.Run
import jenkins.model.Jenkins

/** Keep the receipt of a build's log beside the build: {@code jenkins-notary.tlog-proof}. */
@CompileStatic
class Receipts {
    static final String FILE = 'jenkins-notary.tlog-proof'
    private static final int MAX_CHARACTERS = 1 << 20

    /**
     * Write the receipts of an answer into the folders of their builds.
     *
     * @param receipts texts by job id, as the service answered
     * @param waiting numbers of the events that nobody has delivered yet
     */
    static void writeAll(Object receipts, Set<Long> waiting) {
        if (receipts instanceof Map) {
            ((Map<Object, Object>) receipts).each { Object jobId, Object receipt ->
                if (receipt instanceof String) {
                    write(jobId as String, (String) receipt, waiting)
                }
            }
        }
    }

    private static void write(String jobId, String receipt, Set<Long> waiting) {
        // The answer chooses no path: it names a build, and that build must have been sent.
        List<String> parts = jobId.tokenize('#')
        if (parts.size() != 2 || !parts[1].isInteger() || receipt.length() > MAX_CHARACTERS) {
            return
        }
        String name = parts[0].substring(parts[0].indexOf(':') + 1)
        Run run = Jenkins.get().getItemByFullName(name, Job)?.getBuildByNumber(parts[1].toInteger())
        Long seq = run == null ? null : Hook.markedSeq(run)
        if (seq != null && !(seq in waiting)) {
            Disk.writeQuickly(new File(run.rootDir, FILE), receipt.getBytes('UTF-8'))
        }
    }
}
