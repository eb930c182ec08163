import { chains } from './chaining';
import { connections } from './connecting';
import { faults } from './faults';
import { tangles } from './networks';
import { listeners } from './overhearing';
import { payers } from './paying';
import { readers } from './reading';
import { recorders } from './recording';
import { PATIENCE, Scene } from './scene';

/**
 * What every ledger adapter must do, on every ledger that can be started here. Against a node of your own:
 * `TANGLE_URL=http://host:14265 TANGLE_FAUCET_URL=http://host:8091/api/enqueue npm test -- --grep contract`
 */
for (const network of tangles()) {
  describe(`the ledger contract on ${network.name}`, function () {
    this.timeout(3 * PATIENCE);
    let scene: Scene | undefined;
    const opened = () => {
      if (!scene) throw new Error('the ledger did not start');
      return scene;
    };

    before(async () => {
      scene = await Scene.open(network);
    });
    after(() => scene?.close());

    connections(opened);
    payers(opened);
    readers(opened);
    recorders(opened);
    chains(opened);
    listeners(opened);
    faults(opened);
  });
}
