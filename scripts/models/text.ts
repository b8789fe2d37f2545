/** The text that the toy tokenizers are trained on and that perplexity goldens are scored on. Written for this project. */
export const gardenText = `An espalier is a tree that was taught to grow flat. The gardener plants it in front of a wall, where the summer sun
warms the stones, and ties its young branches to wires. In the first year the tree has one stem and two arms. In the
second year it has four arms, and in the third year it has six. Every winter the gardener comes back with a small pair
of shears and asks the same question of every branch: does this one carry fruit, or does it only carry leaves?

What carries only leaves is cut. It sounds cruel, but the tree does not mind. It takes the strength that went into the
wood and puts it into the pears. An old espalier with twenty short branches often bears more fruit than a free tree
with two hundred long ones, and all of it hangs where a child can reach it. Nothing is lost that was needed, and the
narrow bed beside the kitchen door, which was too small for any tree, has a tree in it now.

There are many shapes. A cordon is a single stem that leans at an angle. A fan has ribs like the back of a chair. The
candelabra has two, three or five arms that turn up at their ends, and the Belgian fence weaves one tree into the next
until nobody can say where the first one ends. Each shape is a promise about light: no leaf shall stand in the shade of
another leaf. "How long does it take?" asked the girl. "Seven years," said the old man, "and then every year a little."

The girl thought about it. She measured the wall with her steps: it was 14 steps long and about 3 steps high. She drew
the stem, the arms and the wires on the back of a letter, and she counted the buds: 8, 16, 32, 64. "Then we should
begin today," she said. They dug a hole, they mixed the earth with sand and old leaves, and they set the little tree
into it with its best bud to the south. It was raining a bit. The tree was as thin as a pencil and had no leaves at all.

In spring the buds opened. In autumn the first wire had been reached, and the girl, who was a hand taller by then, tied
the tips down with soft string so that the sap would slow and the side buds would wake. When the snow came they read in
the kitchen about pears and quinces and apples, about grafts that take and grafts that fail, about frost, about bees.
Seven years later there were forty-one pears. They ate the first of them on the bench beside the wall, and it was good.
`;
