/** What the protocol's syntax allows (TIP-18, TIP-20, TIP-23, TIP-24). */
export const MAX_BLOCK_BYTES = 32_768;
export const MAX_PARENTS = 8;
export const MAX_INPUTS = 128;
export const MAX_OUTPUTS = 128;
export const MAX_NATIVE_TOKENS = 64;
export const MAX_TAG_BYTES = 64;
export const MAX_METADATA_BYTES = 8_192;
export const NATIVE_TOKEN_ID_BYTES = 38;
