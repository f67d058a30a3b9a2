package notaryhook

import groovy.transform.CompileStatic
import hudson.model.Item
import hudson.model.ItemGroup
import hudson.model.Items
import hudson.model.Job
import hudson.model.listeners.ItemListener
import hudson.security.ACL

/**
 * Hears of deleted, renamed and moved jobs and folders.
 *
 * <p>Jenkins tells of a deleted folder by each job in it, the deepest first. It tells of a
 * moved folder by the folder and then by all below it; only the folder becomes an event,
 * since it says what the others are called now.
 */
@CompileStatic
class ItemWatcher extends ItemListener {
    final Hook hook
    /** The full names that the move just told of will bring along, on this thread. */
    private final ThreadLocal<Map<String, String>> expected = new ThreadLocal<Map<String, String>>()

    ItemWatcher(Hook hook) {
        this.hook = hook
    }

    @Override
    void onDeleted(Item item) {
        if (item instanceof Job) {
            hook.guard('job-deleted') { hook.recordJobDeleted((Job) item) }
        }
    }

    @Override
    void onLocationChanged(Item item, String oldFullName, String newFullName) {
        hook.guard('renamed') {
            if (!isBroughtAlong(oldFullName, newFullName)) {
                Set<String> below = namesBelow(item, newFullName)
                expect(below, oldFullName, newFullName)
                hook.recordMove(item, oldFullName, newFullName, below)
            }
        }
    }

    private boolean isBroughtAlong(String oldFullName, String newFullName) {
        Map<String, String> names = expected.get()
        if (names?.get(newFullName) != oldFullName) {
            return false
        }
        // Once only: later the same item can be moved in its own right.
        names.remove(newFullName)
        if (names.isEmpty()) {
            expected.remove()
        }
        true
    }

    private void expect(Set<String> below, String oldFullName, String newFullName) {
        if (below.isEmpty()) {
            expected.remove()
            return
        }
        Map<String, String> names = [:]
        below.each { String name -> names.put(name, oldFullName + name.substring(newFullName.length())) }
        expected.set(names)
    }

    private static Set<String> namesBelow(Item item, String newFullName) {
        Set<String> names = new HashSet<String>()
        if (item instanceof ItemGroup) {
            for (Item child : Items.allItems2(ACL.SYSTEM2, (ItemGroup) item, Item)) {
                names << child.fullName
            }
        }
        names
    }
}
