package notaryhook

import groovy.transform.CompileStatic

/** The ledger did not take a batch. */
@CompileStatic
class DeliveryException extends IOException {
    /** Whether the service read the events and does not want them. */
    final boolean refused
    /** How long the service asks to wait, or null. */
    final Integer waitSeconds

    DeliveryException(String message, boolean refused = false, Integer waitSeconds = null) {
        super(message)
        this.refused = refused
        this.waitSeconds = waitSeconds
    }
}
