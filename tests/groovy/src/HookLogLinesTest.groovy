import org.junit.Test

class HookLogLinesTest {
    private static Map read(String log, String index = null, Map stagesOf = [:]) {
        HookSources.load('LogLines').read(
            new ByteArrayInputStream(log.getBytes('UTF-8')), index == null ? null : new StringReader(index), stagesOf)
    }

    @Test
    void 'size and lines are counted with and without a last line end'() {
        assert read('') == [size: 0L, lines: 0L, ranges: [:]]
        assert read('one\ntwo\n').lines == 2L
        assert read('one\ntwo').lines == 2L
        assert read('\n\n').lines == 2L
        assert read('é\n').size == 3L
    }

    @Test
    void 'a stage has the lines that its steps printed'() {
        String log = 'start\n+ make\nok\n[Pipeline] }\nb1\nend\n'
        String index = "6 7\n16\n29 9\n32\n"

        assert read(log, index, ['7': ['4'], '9': ['8', '4']]).ranges == ['4': [[2L, 3L], [5L, 5L]], '8': [[5L, 5L]]]
    }

    @Test
    void 'ranges that touch are one, and a range at the very end is closed'() {
        assert read('a\nb\nc\n', "0 1\n2 2\n4 1\n", ['1': ['s'], '2': ['s']]).ranges == [s: [[1L, 3L]]]
        assert read('a\nb', "2 1\n", ['1': ['s']]).ranges == [s: [[2L, 2L]]]
    }

    @Test
    void 'a line that two steps share belongs to both stages'() {
        assert read('one two\n', "0 1\n4 2\n", ['1': ['s'], '2': ['t']]).ranges == [s: [[1L, 1L]], t: [[1L, 1L]]]
    }

    @Test
    void 'steps that no stage encloses are told nowhere'() {
        assert read('a\nb\n', "0 1\n2 2\n", ['2': ['s']]).ranges == [s: [[2L, 2L]]]
    }

    @Test
    void 'an index that runs backwards, has no numbers or goes past the end stops there'() {
        assert read('a\nb\nc\n', "4 1\n2 1\n", ['1': ['s']]).ranges == [s: [[3L, 3L]]]
        assert read('a\nb\n', "x 1\n0 1\n", ['1': ['s']]).ranges == [:]
        assert read('a\nb\n', "99999999999999999999 1\n", ['1': ['s']]).ranges == [:]
        assert read('a\nb\n', "400 1\n", ['1': ['s']]).ranges == [:]
        assert read('a\nb\n', "\n0 1\n", ['1': ['s']]).ranges == [:]
    }

    @Test
    void 'more turns than are told leave the lines of that stage out, not those of others'() {
        int turns = HookSources.load('LogLines').MAX_RANGES * 2 + 10
        String log = 'x\n' * (turns + 1)
        String index = (0..<turns).collect { i -> "${2 * i} ${i % 2 + 1}\n" }.join('')

        assert read(log, index, ['1': ['s'], '2': []]).ranges == [:]
        assert read(log, index + "${2 * turns} 3\n", ['1': ['s'], '3': ['t']]).ranges.keySet() == ['t'] as Set
    }

    @Test
    void 'a log of many blocks has the same lines as its parts'() {
        String part = ('y' * 70_001 + '\n') * 5
        Map found = read(part, "${70_002 * 2} 1\n${70_002 * 4} 2\n", ['1': ['s'], '2': ['t']])

        assert found == [size: 350_010L, lines: 5L, ranges: [s: [[3L, 4L]], t: [[5L, 5L]]]]
    }
}
