package notaryhook

import groovy.json.JsonOutput
import groovy.json.JsonSlurperClassic
import groovy.transform.CompileStatic

/** JSON objects and their bytes. */
@CompileStatic
class Json {
    /** Return the object in JSON bytes, or null: there is none. */
    static Map<String, Object> decode(byte[] content) {
        Object found = null
        try {
            found = new JsonSlurperClassic().parseText(new String(content, 'UTF-8'))
        } catch (Exception ignored) {
            // A torn file or a proxy's page: the caller says what it expected instead.
        }
        found instanceof Map ? (Map<String, Object>) found : null
    }

    /** Return an object as one line of ASCII. */
    static byte[] encode(Map<String, ?> value) {
        (JsonOutput.toJson(value) + '\n').getBytes('UTF-8')
    }
}
