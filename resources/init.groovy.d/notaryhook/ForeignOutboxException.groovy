package notaryhook

import groovy.transform.CompileStatic

/** The outbox belongs to another controller; the message says what differs. */
@CompileStatic
class ForeignOutboxException extends IllegalStateException {
    ForeignOutboxException(String message) {
        super(message)
    }
}
