/** The licence texts of everything that esbuild put into a bundle: whoever ships code ships its licence. */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';

const LICENCE_FILE = /^(licen[cs]e|copying|notice)/i;

/**
 * @param {string} root folder of the project
 * @param {Iterable<string>} inputs the inputs of esbuild's metafiles
 * @throws if a bundled package has no licence text
 */
export async function licenceTexts(root, inputs) {
  const folders = new Set();
  for (const input of inputs) {
    const folder = packageFolder(input);
    if (folder) folders.add(folder);
  }
  const sections = [];
  const without = [];
  for (const folder of [...folders].sort()) {
    const { name, version, license } = JSON.parse(await readFile(join(root, folder, 'package.json'), 'utf8'));
    const files = (await readdir(join(root, folder))).filter((file) => LICENCE_FILE.test(file)).sort();
    const texts = await Promise.all(files.map((file) => readFile(join(root, folder, file), 'utf8')));
    if (texts.length === 0) without.push(name);
    sections.push(
      `${name} ${version} (${license})\n${'-'.repeat(72)}\n${texts.map((text) => text.trim()).join('\n\n')}\n`,
    );
  }
  if (without.length > 0) throw new Error(`bundled without a licence text: ${without.join(', ')}`);
  return `Third-party code inside the files of this folder, with its licences.\n\n${sections.join('\n\n')}`;
}

/** `node_modules/@scope/name` of an input inside a package, the innermost one. */
function packageFolder(input) {
  const found = /^(.*node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(input);
  return found?.[1];
}
