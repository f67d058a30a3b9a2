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
     * Write the receipts of an answer into the folders of the builds just delivered.
     *
     * @param receipts texts by job id, as the service answered
     * @param delivered numbers of the events that the answer is about
     */
    static void writeAll(Object receipts, Collection<Long> delivered) {
        if (receipts instanceof Map) {
            ((Map<Object, Object>) receipts).each { Object jobId, Object receipt ->
                write(jobId as String, receipt as String, delivered)
            }
        }
    }

    private static void write(String jobId, String receipt, Collection<Long> delivered) {
        // The answer chooses no path: it names a build, and the build must have been sent.
        List<String> parts = jobId.tokenize('#')
        if (parts.size() != 2 || !parts[1].isInteger() || receipt.length() > MAX_CHARACTERS) {
            return
        }
        String name = parts[0].substring(parts[0].indexOf(':') + 1)
        Run run = Jenkins.get().getItemByFullName(name, Job)?.getBuildByNumber(parts[1].toInteger())
        if (run != null && Hook.markedSeq(run) in delivered) {
            Disk.writeQuickly(new File(run.rootDir, FILE), receipt.getBytes('UTF-8'))
        }
    }
}
