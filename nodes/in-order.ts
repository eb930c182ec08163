/** Lets work on several messages run at once, and its results come out in the order in which it began. */
export function inOrder(): <T>(work: Promise<T>) => Promise<T> {
  let last: Promise<unknown> = Promise.resolve();
  return (work) => {
    const before = last;
    const turn = (async () => {
      // Waited for first, so that nobody is told of its failure before its turn.
      const [result] = await Promise.allSettled([work, before]);
      if (result.status === 'rejected') throw result.reason;
      return result.value;
    })();
    last = turn.catch(() => {});
    return turn;
  };
}
