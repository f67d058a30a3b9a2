package notaryhook

import groovy.transform.CompileStatic
import java.util.regex.Pattern

/**
 * Which names and texts hold a secret. The program that records has the same rule, in
 * {@code jenkins_notary/evidence/secret_words.py}; here it keeps secrets off the disk and
 * the network, too. No pattern takes more than linear time.
 */
@CompileStatic
class Secrets {
    static final String HIDDEN = '(held back: looks like a secret)'
    private static final Pattern HUMP = ~/(?<=[a-z0-9])(?=[A-Z])/
    private static final Pattern NAME = Pattern.compile(
        'passw|passphrase|(?<![a-z])pass(?![a-z])|userpass|pwd|pw(?![a-z])|secret|token' +
        '|credential|creds?(?![a-z])|(?<![a-z])(?:pin|login|pat)(?![a-z])' +
        '|auth(?!ors?(?![a-z]))' +
        '|(?:api|access|account|encryption|private|signing|ssh).?key',
        Pattern.CASE_INSENSITIVE)
    private static final Pattern TEXT = Pattern.compile(
        '(?:(?<![a-z])(?:pass|pw)|passw(?:or)?d|passphrase|pwd|secret|token|authorization' +
        '|(?:api|access|account|private)[_-]?key)' +
        '["\']?\\s{0,4}[:=]\\s{0,4}["\']?[^\\s"\'&;,$%<{(]' +
        '|(?<!\\S)(?:-u|--user|--proxy-user)[\\s=]{0,4}["\']?[^\\s:"\']{1,128}:[^\\s$]' +
        '|://[^\\s/:@"\']{0,128}:[^\\s/@"\'$]{1,256}@' +
        '|(?<![a-z])(?:basic|bearer)\\s{1,4}(?=\\S{0,256}[0-9=])[a-z0-9._~+/=-]{8}',
        Pattern.CASE_INSENSITIVE)
    private static final Pattern HEADER = Pattern.compile(
        '\\s{0,20}(?:basic|bearer)\\s{1,4}\\S{1,4096}\\s{0,20}', Pattern.CASE_INSENSITIVE)
    private static final Pattern TOKEN = Pattern.compile(
        '(?<![0-9A-Za-z])(?:gh[pousr]_[0-9A-Za-z]{36}|github_pat_[0-9A-Za-z_]{22}' +
        '|gl[a-z]{2,5}-[0-9A-Za-z_.-]{20}|npm_[0-9A-Za-z]{36}|dckr_pat_[0-9A-Za-z_-]{20}' +
        '|sk_live_[0-9A-Za-z]{16}|xox[abeoprs]-[0-9A-Za-z-]{10}|xapp-[0-9]-[0-9A-Za-z-]{10}' +
        '|pypi-AgE[0-9A-Za-z_-]{50}|A[KS]IA[A-Z2-7]{16}|AIza[0-9A-Za-z_-]{35}' +
        '|eyJ[0-9A-Za-z_-]{10,2048}+\\.eyJ|11[0-9a-f]{32}(?![0-9A-Za-z]))' +
        '|hooks\\.slack\\.com/services/[0-9A-Za-z/]{20}|-----BEGIN [0-9A-Z ]{0,80}PRIVATE KEY')

    /** Return whether what is called so is a secret. */
    static boolean isName(String name) {
        NAME.matcher(HUMP.matcher(name).replaceAll('_')).find()
    }

    /** Return whether the value of a parameter holds a secret. */
    static boolean isValue(String value) {
        HEADER.matcher(value).matches() || isText(value)
    }

    /** Return whether words that somebody wrote hold a secret. */
    static boolean isText(String text) {
        TEXT.matcher(text).find() || TOKEN.matcher(text).find()
    }

    /** Return a JSON value with no text in it that holds a secret. */
    static Object hide(Object value) {
        if (value instanceof CharSequence) {
            return isText(value.toString()) ? HIDDEN : value
        }
        if (value instanceof Map) {
            Map<Object, Object> hidden = new LinkedHashMap<Object, Object>()
            ((Map<Object, Object>) value).each { Object key, Object one -> hidden.put(key, hide(one)) }
            return hidden
        }
        value instanceof Collection ? ((Collection<Object>) value).collect { Object one -> hide(one) } : value
    }
}
