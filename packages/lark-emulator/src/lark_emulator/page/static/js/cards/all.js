// All components, so that `tags.js` knows them; and the card itself.
import "./containers.js";
import "./content.js";
import "./controls.js";
import "./selects.js";
import "./pickers.js";
import "./table.js";
import "./chart.js";

export { Card } from "./card.js";
