package notaryhook

import groovy.transform.CompileStatic

/** One claims file of a build, whose bytes may be anything. */
@CompileStatic
class ClaimFile {
    static final int MAX_BYTES = 1 << 20
    private static final int MAX_DEPTH = 32
    private static final long MAX_NUMBER = 1L << 53

    /**
     * Return the claim in a file's bytes, null: there is none, or one that another reader
     * would not read as the same, or that is longer than a file when it is sent.
     */
    static Map<String, Object> decode(byte[] content) {
        Map<String, Object> claim = content.length > MAX_BYTES ? null : Json.decode(content)
        boolean fits = claim?.get('v') == 1 && isPlain(claim, MAX_DEPTH) && Json.encode(claim).length <= MAX_BYTES
        fits ? claim : null
    }

    private static boolean isPlain(Object value, int depth) {
        if (value instanceof Map) {
            return depth > 0 && ((Map<?, ?>) value).values().every { Object one -> isPlain(one, depth - 1) }
        }
        if (value instanceof List) {
            return depth > 0 && ((List<?>) value).every { Object one -> isPlain(one, depth - 1) }
        }
        if (value instanceof Integer || value instanceof Long) {
            long number = ((Number) value).longValue()
            return number >= -MAX_NUMBER && number <= MAX_NUMBER
        }
        value == null || value instanceof String || value instanceof Boolean
    }
}
