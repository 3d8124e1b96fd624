import { readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { openOrCreatePubSub, type PubSub, type Subscription } from 'memlane';

export interface Product {
  readonly name: string;
}

/** Says which product has changed. */
interface Change {
  readonly id: string;
}

/** Products in a folder of files, which stands for a database, and a cache of them in each process. */
export class ProductCache implements Disposable {
  readonly #folder: string;
  readonly #changes: PubSub<Change>;
  readonly #subscription: Subscription<Change>;
  readonly #leaving = new AbortController();
  readonly #cached = new Map<string, Product>();
  /** How many changes this process has been told of: what was read before the last one may be old. */
  #told = 0;

  constructor(name: string, folder: string) {
    this.#folder = folder;
    this.#changes = openOrCreatePubSub<Change>(name, { type: 'change@1' });
    this.#subscription = this.#changes.subscribe('products.*');
    void this.#follow();
  }

  async get(id: string): Promise<{ product: Product; isCached: boolean }> {
    const cached = this.#cached.get(id);
    if (cached !== undefined) return { product: cached, isCached: true };
    const told = this.#told;
    const product = JSON.parse(await readFile(this.#fileOf(id), 'utf8')) as Product;
    if (told === this.#told) this.#cached.set(id, product);
    return { product, isCached: false };
  }

  /** Stores a product, then tells everybody, this process included. */
  async put(id: string, product: Product): Promise<void> {
    const draft = `${this.#fileOf(id)}.${process.pid}`;
    await writeFile(draft, JSON.stringify(product));
    await rename(draft, this.#fileOf(id));
    await this.#changes.publish(`products.${id}`, { id });
  }

  /** Forgets what has changed, until it is disposed of. */
  async #follow(): Promise<void> {
    for await (const { value } of this.#subscription.messages({ signal: this.#leaving.signal })) {
      this.#told += 1;
      this.#cached.delete(value.id);
    }
  }

  #fileOf(id: string): string {
    return join(this.#folder, `${id}.json`);
  }

  [Symbol.dispose](): void {
    this.#leaving.abort();
    this.#changes.close();
  }
}
