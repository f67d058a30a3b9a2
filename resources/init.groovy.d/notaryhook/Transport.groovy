package notaryhook

/** One way to the ledger. */
interface Transport {
    /**
     * Deliver complete events.
     *
     * @param batch their JSON by number, in order
     * @return at least [accepted: the last durable number]; perhaps
     *     [receipts: [job id: tlog-proof]], [checkpoint: signed note], and [fault: words]
     *     about what went wrong all the same
     * @throws DeliveryException none of them is known to be durable
     */
    Map<String, Object> send(Map<Long, byte[]> batch) throws DeliveryException
}
