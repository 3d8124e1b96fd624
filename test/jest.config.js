export default {
  testEnvironment: 'node',
  roots: ['<rootDir>/dist'],
  cacheDirectory: '<rootDir>/dist/.jest', // not in the folder for temporary files, where it would stay
  testMatch: ['**/*.test.js'],
  // tsc has compiled everything; a transform would only hide what ships.
  transform: {},
  injectGlobals: false,
  watchman: false,
  // A watchdog, not an expectation: tests start processes on machines that may be busy.
  testTimeout: 60_000,
};
