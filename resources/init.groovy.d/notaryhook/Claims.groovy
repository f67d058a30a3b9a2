package notaryhook

import groovy.transform.CompileStatic
import hudson.model.Run
import jenkins.util.VirtualFile

/**
 * What a build asks the controller to deliver: files that it archived as
 * {@code .jenkins-notary/claims-*.json}. A build can only speak of itself so, since it can
 * only archive with itself. Whatever artifact store Jenkins uses is read.
 */
@CompileStatic
class Claims {
    private static final String FOLDER = '.jenkins-notary'
    private static final int MAX_FILES = 32
    private static final int MAX_BYTES = 4 << 20

    /** Return the claims of a build; those that are too many, too large or no claims are told. */
    static List<Map<String, Object>> read(Run run, Complaints complaints) {
        VirtualFile folder = run.artifactManager.root().child(FOLDER)
        if (!folder.directory) {
            return []
        }
        List<VirtualFile> files = folder.list()
            .findAll { VirtualFile file -> file.file && file.name ==~ /claims-[0-9A-Za-z-]{1,64}\.json/ }
            .sort { VirtualFile file -> file.name }.toList()
        List<Map<String, Object>> claims = []
        long size = 0
        files.eachWithIndex { VirtualFile file, int i ->
            Map<String, Object> claim = i < MAX_FILES && size <= MAX_BYTES ? open(file) : null
            // As it is sent: a byte of a file may take six.
            size += claim == null ? 0 : Json.encode(claim).length
            if (claim == null || size > MAX_BYTES) {
                complaints.tell("claims of ${run.externalizableId}",
                    "${file.name} (${file.length()} bytes) is not delivered: expected at most ${MAX_FILES} " +
                    "files of ${ClaimFile.MAX_BYTES} bytes, ${MAX_BYTES} in all, each a claim of version 1")
            } else {
                claims << claim
            }
        }
        claims
    }

    private static Map<String, Object> open(VirtualFile file) {
        // The length may be a lie of the store: no more than a file's bytes are read.
        ClaimFile.decode(file.open().withStream { InputStream stream ->
            stream.readNBytes(ClaimFile.MAX_BYTES + 1)
        })
    }
}
