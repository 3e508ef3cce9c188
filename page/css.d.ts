/** Styles are imported for Vite to collect; nothing is taken from them. */
declare module '*.css';
