package notaryhook

import groovy.json.JsonOutput
import groovy.json.JsonSlurperClassic
import groovy.transform.CompileStatic

/**
 * JSON objects and their bytes. A build, a proxy or a full disk may have written them: what
 * is nested too deeply for the stack, or has numbers that take minutes to read, is no JSON.
 */
@CompileStatic
class Json {
    static final int MAX_DEPTH = 64
    static final int MAX_NUMBER_CHARACTERS = 64

    /** Return the object in JSON bytes, or null: there is none. */
    static Map<String, Object> decode(byte[] content) {
        Object found = null
        try {
            found = isTame(content) ? new JsonSlurperClassic().parseText(new String(content, 'UTF-8')) : null
        } catch (Exception | StackOverflowError ignored) {
            // A torn file or a proxy's page: the caller says what it expected instead.
        }
        found instanceof Map ? (Map<String, Object>) found : null
    }

    /** Return an object as one line of ASCII. */
    static byte[] encode(Map<String, ?> value) {
        (JsonOutput.toJson(value) + '\n').getBytes('UTF-8')
    }

    /** Return whether nesting and numbers are such that parsing is safe; looks at bytes only. */
    private static boolean isTame(byte[] content) {
        int depth = 0, digits = 0
        boolean quoted = false
        for (int i = 0; i < content.length; i++) {
            char one = (char) content[i]
            if (quoted) {
                quoted = one != (char) '"'
                i += one == (char) '\\' ? 1 : 0
                continue
            }
            quoted = one == (char) '"'
            depth += one == (char) '[' || one == (char) '{' ? 1 : one == (char) ']' || one == (char) '}' ? -1 : 0
            digits = one >= (char) '0' && one <= (char) '9' ? digits + 1 : 0
            if (depth > MAX_DEPTH || digits > MAX_NUMBER_CHARACTERS) {
                return false
            }
        }
        true
    }
}
