package notaryhook

import groovy.transform.CompileStatic

/**
 * Which jobs the hook watches: patterns of full names, segment by segment.
 *
 * <p>{@code *} stands for any characters of one segment, a segment {@code **} for any
 * number of segments. A pattern that matches a folder covers all below it: {@code payments}
 * and {@code payments/*} cover {@code payments/api/main}, neither covers
 * {@code payments-evil}. An exclusion goes before an inclusion.
 *
 * <p>Cost: pattern times name.
 */
@CompileStatic
class Patterns {
    private final List<String> included
    private final List<String> excluded

    Patterns(List<String> included, List<String> excluded) {
        this.included = included.asImmutable()
        this.excluded = excluded.asImmutable()
    }

    /** Return whether the hook watches the job or folder of this full name. */
    boolean covers(String fullName) {
        !excluded.any { String one -> isCovered(one, fullName) } &&
            included.any { String one -> isCovered(one, fullName) }
    }

    private static boolean isCovered(String pattern, String fullName) {
        List<String> wanted = pattern.tokenize('/')
        List<String> segments = fullName.tokenize('/')
        (1..segments.size()).any { int size -> isMatch(wanted, segments.take(size)) }
    }

    private static boolean isMatch(List<String> pattern, List<String> segments) {
        match(pattern, segments, '**') { String one, String segment ->
            match(letters(one), letters(segment), '*') { String a, String b -> a == b }
        }
    }

    /**
     * Return whether the items are what the pattern says, {@code wild} being any number of
     * them. Only the last wild part is ever widened: what an earlier one could take
     * instead, it can take too.
     */
    private static boolean match(
            List<String> pattern, List<String> items, String wild, Closure<Boolean> isEqual) {
        int at = 0, place = 0, lastWild = -1, widened = 0
        while (place < items.size()) {
            if (at < pattern.size() && pattern[at] == wild) {
                lastWild = at++
                widened = place
            } else if (at < pattern.size() && isEqual(pattern[at], items[place])) {
                at++
                place++
            } else if (lastWild >= 0) {
                at = lastWild + 1
                place = ++widened
            } else {
                return false
            }
        }
        pattern.drop(at).every { String one -> one == wild }
    }

    private static List<String> letters(String text) {
        text.toList()
    }
}
