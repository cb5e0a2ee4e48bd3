// Which component draws which tag. Filled by the modules that define them, since containers hold all the others.

export const TAGS = Object.create(null);

export function register(components) {
  Object.assign(TAGS, components);
}
