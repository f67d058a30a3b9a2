import groovy.json.JsonSlurperClassic
import org.junit.Test

/** The rule is the recording program's: one file of examples holds both to it. */
class HookSecretsTest {
    private static final Map<String, List<String>> WORDS =
        new JsonSlurperClassic().parse(new File('../vectors/secret-words.json'), 'UTF-8')
    private final Class secrets = HookSources.load('Secrets')

    @Test
    void 'names are told apart'() {
        assert WORDS.names.findAll { !secrets.isName(it) } == []
        assert WORDS.otherNames.findAll { secrets.isName(it) } == []
    }

    @Test
    void 'values are told apart'() {
        assert WORDS.values.findAll { !secrets.isValue(it) } == []
        assert WORDS.otherValues.findAll { secrets.isValue(it) } == []
    }

    @Test
    void 'texts are told apart, and hidden wherever they stand'() {
        assert WORDS.texts.findAll { !secrets.isText(it) } == []
        assert WORDS.otherTexts.findAll { secrets.isText(it) } == []
        assert secrets.hide([[id: 4, name: WORDS.texts[0]], [name: "Build ${1}"]]) ==
            [[id: 4, name: secrets.HIDDEN], [name: 'Build 1']]
    }

    @Test(timeout = 20000L)
    void 'no text makes the time more than linear'() {
        ['token', '-u ', '://', 'bearer ', 'a:', 'password ', '--user=', ' ', 'eyJ'].each { String text ->
            secrets.isValue(text * 50_000)
        }
    }
}
