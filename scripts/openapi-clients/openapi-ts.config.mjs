// The client checks every answer with a zod schema made from the document.
export default {
  input: 'openapi.json',
  output: 'heyapi',
  plugins: ['@hey-api/client-fetch', 'zod', { name: '@hey-api/sdk', validator: { response: true } }],
};
