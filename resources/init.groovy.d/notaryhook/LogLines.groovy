package notaryhook

import groovy.transform.CompileStatic

/**
 * The size of a build's log, its lines, and which of them belong to which stage.
 *
 * <p>Pipeline keeps one log file and beside it {@code log-index}: a line
 * {@code OFFSET NODE} says that the bytes from there on were printed by that node of the
 * flow graph, a line {@code OFFSET} that they belong to no step. Both files are read once,
 * side by side, whatever their size. Lines count from 1; console notes hold no line end,
 * so the raw log and {@code consoleText} have the same numbers.
 *
 * <p>Source: workflow-api 1267, {@code FileLogStorage.checkId}.
 */
@CompileStatic
class LogLines {
    /** More ranges than that are not told: the lines of a stage are then left out. */
    static final int MAX_RANGES = 2_000
    private static final int BLOCK_BYTES = 1 << 16
    private static final List<String> NO_STAGES = []

    private final BufferedReader index
    private final Map<String, List<String>> stagesOf
    private final Map<String, List<List<Long>>> ranges = [:]
    private final Set<String> overflowing = new HashSet<String>()
    private List<String> current = NO_STAGES
    private long start = 0
    private long startLine = 1
    private long position = 0
    private long ends = 0
    private boolean afterEnd = true
    private long nextOffset = -1
    private List<String> nextStages = NO_STAGES

    /**
     * @param index the text of {@code log-index}, null where there is none
     * @param stagesOf the ids of the stages that enclose a node, by the node's id
     */
    private LogLines(Reader index, Map<String, List<String>> stagesOf) {
        this.index = index == null ? null : new BufferedReader(index)
        this.stagesOf = stagesOf
    }

    /**
     * Return {@code [size: bytes, lines: count, ranges: [stage id: [[first, last], ...]]]}.
     */
    static Map<String, Object> read(
            InputStream log, Reader index = null, Map<String, List<String>> stagesOf = [:]) {
        new LogLines(index, stagesOf).readAll(log)
    }

    private Map<String, Object> readAll(InputStream log) {
        byte[] block = new byte[BLOCK_BYTES]
        readNext()
        int count
        while ((count = log.read(block)) >= 0) {
            readBlock(block, count)
        }
        close()
        overflowing.each { String stage -> ranges.remove(stage) }
        [size: position, lines: afterEnd ? ends : ends + 1, ranges: ranges] as Map<String, Object>
    }

    private void readBlock(byte[] block, int count) {
        int at = 0
        while (at < count) {
            while (position + at == nextOffset) {
                turn(at)
            }
            // Up to the next turn no look-up is needed: only line ends are counted.
            long left = nextOffset < 0 ? count : Math.min((long) count, nextOffset - position)
            int until = (int) Math.max(left, at + 1L)
            for (int i = at; i < until; i++) {
                if (block[i] == (byte) 10) {
                    ends++
                }
            }
            afterEnd = block[until - 1] == (byte) 10
            at = until
        }
        position += count
    }

    /** End the running range at a turn, {@code at} bytes into the block; begin the next. */
    private void turn(int at) {
        long offset = position + at
        endRange(offset)
        current = nextStages
        start = offset
        startLine = ends + 1
        readNext()
    }

    private void close() {
        endRange(position)
        index?.close()
    }

    private void endRange(long offset) {
        if (offset == start) {
            return
        }
        long last = afterEnd ? ends : ends + 1
        current.each { String stage -> addRange(stage, startLine, last) }
    }

    private void addRange(String stage, long first, long last) {
        List<List<Long>> known = ranges.get(stage)
        if (known == null) {
            ranges.put(stage, [[first, last]])
        } else if (first <= known.last()[1] + 1) {
            known.last().set(1, last)
        } else if (known.size() < MAX_RANGES) {
            known << [first, last]
        } else {
            overflowing << stage
        }
    }

    /** Read the next turn of the index; one that runs backwards or is no number ends it. */
    private void readNext() {
        long before = Math.max(nextOffset, 0L)
        String line = index?.readLine()
        List<String> words = line == null ? [] : line.tokenize(' ')
        if (words && words[0].isLong() && words[0].toLong() >= before) {
            nextOffset = words[0].toLong()
            nextStages = stagesOf.get(words.size() > 1 ? words[1] : null) ?: NO_STAGES
        } else {
            nextOffset = -1
        }
    }
}
