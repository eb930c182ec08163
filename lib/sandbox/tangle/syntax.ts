import { type DecodedTransaction, InvalidBlockError, MAX_NATIVE_TOKENS } from './codec';
import { depositOfBytes, type ProtocolParameters } from './parameters';

// type, amount, counts, and one address unlock condition of 33 bytes
const RETURN_OUTPUT_BYTES = 46;

/**
 * TIP-20 §Syntactic validation, as far as it needs the network's parameters; the codec has done the rest.
 *
 * @throws InvalidBlockError
 */
export function checkTransactionSyntax(
  { transaction, parts }: DecodedTransaction,
  parameters: ProtocolParameters,
): void {
  const { tokenSupply } = parameters;
  if (transaction.networkId !== parameters.networkId) {
    throw new InvalidBlockError(`invalid payload, error: wrong networkID: ${transaction.networkId}`);
  }
  let sum = 0n;
  const tokens = new Set<string>();
  for (const [index, output] of transaction.outputs.entries()) {
    sum += output.amount;
    if (output.amount === 0n) throw new InvalidBlockError(`deposit amount must be greater than zero: output ${index}`);
    if (sum > tokenSupply) throw new InvalidBlockError(`outputs hold more than the total supply: output ${index}`);
    const deposit = depositOfBytes(parts.outputs[index]!.length, parameters);
    if (output.amount < deposit) {
      throw new InvalidBlockError(
        `storage deposit is not covered: output ${index}, needed ${deposit}, have ${output.amount}`,
      );
    }
    if (output.storageReturn) {
      const least = depositOfBytes(RETURN_OUTPUT_BYTES, parameters);
      if (output.storageReturn.amount < least) {
        throw new InvalidBlockError(
          `storage deposit return is less than the return output needs (${least}): output ${index}`,
        );
      }
      if (output.storageReturn.amount > output.amount) {
        throw new InvalidBlockError(`storage deposit return exceeds the output's deposit: output ${index}`);
      }
    }
    for (const { id } of output.nativeTokens) tokens.add(id);
  }
  if (tokens.size > MAX_NATIVE_TOKENS) throw new InvalidBlockError('more native tokens than a transaction may have');
}
