package notaryhook

import groovy.transform.CompileStatic

/** How often a listener ran, and how long builds waited for it. */
@CompileStatic
class Cost {
    private long count = 0
    private long totalNs = 0
    private long slowestNs = 0

    synchronized void add(long ns) {
        count++
        totalNs += ns
        slowestNs = Math.max(slowestNs, ns)
    }

    /** Return [count:, averageMs:, slowestMs:]. */
    synchronized Map<String, Object> tell() {
        [count: count, averageMs: milliseconds(totalNs / Math.max(count, 1L)),
         slowestMs: milliseconds(slowestNs as BigDecimal)] as Map<String, Object>
    }

    private static double milliseconds(BigDecimal ns) {
        Math.round(ns.doubleValue() / 10_000d) / 100d
    }
}
