// One of the servers: node worker.js PORT FOLDER
import express from 'express';
import { ProductCache } from './product-cache.ts';
import { RateLimiter } from './rate-limiter.ts';

const [port, folder] = process.argv.slice(2) as [string, string];
const REQUESTS_A_SECOND = 20;

const limiter = new RateLimiter('example-requests', REQUESTS_A_SECOND);
const products = new ProductCache('example-changes', folder);

const app = express();
app.use((request, response, next) => {
  response.set('x-worker', String(process.pid));
  if (limiter.admit(request.get('x-client') ?? request.ip ?? '')) next();
  else response.status(429).json({ error: `at most ${REQUESTS_A_SECOND} requests a second` });
});
app
  .route('/products/:id')
  .all((request, response, next) => {
    if (/^\d+$/.test(request.params.id)) next();
    else response.status(404).end();
  })
  .get(async (request, response) => {
    const { product, isCached } = await products.get(request.params.id);
    response.set('x-cache', isCached ? 'hit' : 'miss').json(product);
  })
  .put(express.json(), async (request, response) => {
    await products.put(request.params.id, request.body);
    response.status(204).end();
  });
app.listen(Number(port));

process.once('disconnect', () => {
  products[Symbol.dispose]();
  limiter[Symbol.dispose]();
});
