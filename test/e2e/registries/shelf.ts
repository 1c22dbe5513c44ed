/** What a server has, by path: packages, and indexes of them. */
export type Shelf = Map<string, Buffer | string>;
