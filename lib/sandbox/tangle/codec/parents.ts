import { type ByteReader, type ByteWriter, InvalidBlockError, within } from './bytes';
import { MAX_PARENTS } from './limits';
import type { BlockId } from './model';

/** TIP-24: one to eight parents, unique and in lexical order. */
export function readParents(reader: ByteReader): BlockId[] {
  const count = within(reader.u8(), 1, MAX_PARENTS, 'parents');
  const parents: BlockId[] = [];
  for (let n = 0; n < count; n++) {
    const parent = reader.hex(32);
    const before = parents.at(-1);
    if (before !== undefined && before >= parent)
      throw new InvalidBlockError('parents are not in lexical order or not unique');
    parents.push(parent);
  }
  return parents;
}

export function writeParents(writer: ByteWriter, parents: readonly BlockId[]): void {
  writer.u8(parents.length);
  for (const parent of parents) writer.hex(parent);
}
