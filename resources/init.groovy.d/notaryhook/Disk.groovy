package notaryhook

import groovy.transform.CompileStatic
import java.nio.channels.FileChannel
import java.nio.file.FileSystems
import java.nio.file.Files
import java.nio.file.Path
import java.nio.file.StandardCopyOption
import java.nio.file.StandardOpenOption
import java.nio.file.attribute.FileAttribute
import java.nio.file.attribute.PosixFilePermissions

/**
 * Files that are there whole or not at all, for nobody but the user that runs Jenkins.
 */
@CompileStatic
class Disk {
    static final String TEMPORARY = '.tmp'
    private static final boolean POSIX =
        FileSystems.default.supportedFileAttributeViews().contains('posix')

    /** Make a folder and what is missing above it, 0700 where the system knows modes. */
    static void makeFolder(File folder) {
        Files.createDirectories(folder.toPath(), mode('rwx------'))
        if (POSIX) {
            Files.setPosixFilePermissions(folder.toPath(), PosixFilePermissions.fromString('rwx------'))
        }
    }

    /** Return whether nobody but its owner may read or write a file; true where modes are unknown. */
    static boolean isPrivate(File file) {
        String open = POSIX ? PosixFilePermissions.toString(Files.getPosixFilePermissions(file.toPath())) : ''
        open.drop(3).every { String one -> one == '-' }
    }

    /** Write a file of mode 0600, durable when this returns: sync, rename, sync the folder. */
    static void write(File file, byte[] content) {
        replace(file, content, true)
        syncFolder(file.parentFile)
    }

    /** Write a file at once, but leave it to the system when it reaches the disk. */
    static void writeQuickly(File file, byte[] content) {
        replace(file, content, false)
    }

    private static void replace(File file, byte[] content, boolean sync) {
        Path temporary = new File(file.parentFile, '.' + file.name + TEMPORARY).toPath()
        Files.deleteIfExists(temporary)
        try {
            Files.createFile(temporary, mode('rw-------'))
            // No FileChannel: it fails in a thread that is being interrupted, as the
            // executor of an aborted build is.
            FileOutputStream stream = new FileOutputStream(temporary.toFile())
            try {
                stream.write(content)
                if (sync) {
                    stream.FD.sync()
                }
            } finally {
                stream.close()
            }
            Files.move(temporary, file.toPath(),
                StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING)
        } finally {
            Files.deleteIfExists(temporary)
        }
    }

    /** Make renames and deletions in a folder durable; Windows does so by itself. */
    static void syncFolder(File folder) {
        if (!POSIX) {
            return
        }
        // A folder can be synced by a channel only: the interrupt waits for its end.
        boolean interrupted = Thread.interrupted()
        try {
            FileChannel channel = FileChannel.open(folder.toPath(), StandardOpenOption.READ)
            try {
                channel.force(true)
            } finally {
                channel.close()
            }
        } finally {
            if (interrupted) {
                Thread.currentThread().interrupt()
            }
        }
    }

    /** Delete what a writer that died left behind in a folder. */
    static void dropTemporary(File folder) {
        folder.listFiles()
            .findAll { File file -> file.name.startsWith('.') && file.name.endsWith(TEMPORARY) }
            .each { File file -> Files.deleteIfExists(file.toPath()) }
    }

    private static FileAttribute<?>[] mode(String mode) {
        POSIX ? [PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString(mode))] as FileAttribute[] :
            [] as FileAttribute[]
    }
}
