package notaryhook

import groovy.transform.CompileStatic

/**
 * Hand the outbox's events to the ledger in order, with back-off while it is away.
 *
 * <p>Events are deleted only after the answer that they are durable. An event that the
 * service understands and refuses is set aside, so that it does not hold up the others.
 */
@CompileStatic
class Delivery {
    static final String SUBJECT = 'delivery'
    static final int MAX_WAIT_SECONDS = 300
    private static final int MAX_ASKED_WAIT_SECONDS = 3_600
    private static final int MAX_BATCH_EVENTS = 500

    private final Outbox outbox
    private final Transport transport
    private final int batchBytes
    private final Complaints complaints
    private final Closure<?> onDelivered
    private int failures = 0
    private boolean single = false

    /**
     * @param onDelivered called with each answer, once the events are deleted
     */
    Delivery(Outbox outbox, Transport transport, int batchBytes, Complaints complaints,
            Closure<?> onDelivered) {
        this.outbox = outbox
        this.transport = transport
        this.batchBytes = batchBytes
        this.complaints = complaints
        this.onDelivered = onDelivered
    }

    /** Deliver one batch; return after how many milliseconds to come back, null: nothing waits. */
    Long step() {
        Map<Long, byte[]> batch = nextBatch()
        if (batch.isEmpty()) {
            return null
        }
        try {
            finish(batch, transport.send(batch))
            return 0L
        } catch (DeliveryException failure) {
            return postpone(batch, failure)
        }
    }

    private void finish(Map<Long, byte[]> batch, Map<String, Object> answer) {
        Object accepted = answer.get('accepted')
        if (!(accepted instanceof Number) || !batch.containsKey(((Number) accepted).longValue())) {
            throw new DeliveryException(
                "expected accepted: one of ${batch.keySet().min()}..${batch.keySet().max()}, got ${accepted}")
        }
        List<Long> delivered = batch.keySet().findAll { Long seq ->
            seq <= ((Number) accepted).longValue()
        }.toList()
        outbox.delete(delivered)
        failures = 0
        single = false
        if (answer.get('fault') == null) {
            complaints.settle(SUBJECT)
        } else {
            complaints.tell(SUBJECT, answer.get('fault') as String)
        }
        onDelivered.call(answer)
    }

    private long postpone(Map<Long, byte[]> batch, DeliveryException failure) {
        if (failure.refused && batch.size() > 1) {
            // One of them is at fault: they go one by one until one is taken or refused.
            single = true
            return 0L
        }
        if (failure.refused) {
            long seq = batch.keySet().first()
            outbox.refuse(seq)
            complaints.tell("event ${seq}", "set aside in refused/, since ${failure.message}")
            single = false
            return 0L
        }
        failures++
        complaints.tell(SUBJECT, failure.message)
        long wait = failure.waitSeconds == null ?
            Math.min(1L << Math.min(failures - 1, 16), MAX_WAIT_SECONDS) :
            Math.min(Math.max(failure.waitSeconds, 1), MAX_ASKED_WAIT_SECONDS)
        // Controllers that lost the same service do not come back at the same moment.
        wait * 1_000L + (long) (Math.random() * 200 * wait)
    }

    private Map<Long, byte[]> nextBatch() {
        Map<Long, byte[]> batch = new LinkedHashMap<Long, byte[]>()
        long size = 0
        for (Long seq : outbox.ready) {
            byte[] event = outbox.read(seq)
            if (event == null) {
                continue
            }
            size += event.length
            if (!batch.isEmpty() && (single || size > batchBytes || batch.size() >= MAX_BATCH_EVENTS)) {
                break
            }
            batch.put(seq, event)
        }
        batch
    }
}
