/** Bytes of one signed message. */
export const MOST_MESSAGE_BYTES = 64 * 1024;

/** Milliseconds from `at` to `expires`: for so long a seen-set has to remember it. */
export const LONGEST_VALIDITY = 7 * 24 * 3_600 * 1_000;
