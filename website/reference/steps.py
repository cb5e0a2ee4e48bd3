"""The next steps of `lark_provider.protocol.codes` in Chinese. A step that is missing here fails the build."""

from __future__ import annotations

CHINESE = {
    "check the app's credentials": "检查应用凭证",
    "call again once the click on the card is answered, which takes 3 s at most": "等卡片上的点击得到响应后重试，最多 3 秒",
    "let the user sign in again": "请用户重新登录",
    "let the user grant the new scopes": "请用户授予新增的权限",
    "ask the tenant's admin to grant the scope in the developer console and publish the app": (
        "请企业管理员在开发者后台开通该权限，并发布应用版本"
    ),
    "enable the app in the admin console": "在管理后台启用该应用",
    "install the app in this tenant": "在该企业安装应用",
    "add this machine's address to the app's IP allow-list": "把本机地址加入应用的 IP 白名单",
    "raise the tenant's monthly API quota, or wait for the next month": (
        "企业本月的 API 调用额度已用完：提升额度，或等到下个月"
    ),
    "name tenant_key= for a store (ISV) app, and none for a custom app: each has endpoints of its own": (
        "商店应用（ISV）要传 tenant_key=，自建应用不要传：两者使用不同的接口"
    ),
    "let Lark's app_ticket events reach this app's callbacks, or wait for the next one": (
        "让飞书的 app_ticket 事件能到达本应用的回调，或等待下一次推送"
    ),
    "check app id and app secret, and that the app is enabled": "检查 App ID 与 App Secret，以及应用是否已启用",
    "leave tenant_key= out: a custom app has no app_ticket": "不要传 tenant_key=：自建应用没有 app_ticket",
    "check app id and app secret": "检查 App ID 与 App Secret",
    "wait and call again, or send less at a time": "稍后重试，或减小每次的量",
    "correct the fields named": "修正报错中列出的字段",
    "correct the request; a custom bot also says so when written to too fast": (
        "修正请求；自定义机器人在发送过快时也返回这个码"
    ),
    "correct the request": "修正请求",
    "send more slowly: a custom bot takes 100 messages a minute and 5 a second": (
        "自定义机器人每分钟最多 100 条、每秒最多 5 条：放慢发送"
    ),
    "check the card; the message names the element that Lark does not accept": (
        "检查卡片；报错中写明了飞书不接受的组件"
    ),
    "check the webhook URL against the one in the group's bot settings": (
        "与群机器人设置里的 webhook 地址核对"
    ),
    "check the bot's signing secret, and that this machine's clock is right": (
        "检查机器人的签名密钥，并确认本机时钟准确"
    ),
    "add this machine's address to the bot's IP allow-list": "把本机地址加入机器人的 IP 白名单",
    "put one of the bot's keywords into the message": "在消息里带上机器人设置的某个关键词",
    "correct the field whose id the message names; a field that has no value must be left out whole": (
        "修正报错中给出 id 的控件；没有值的控件必须整个省略"
    ),
    "correct the field whose id the message names": "修正报错中给出 id 的控件",
    "take the approval_code from the definition's page (definitionCode=…)": (
        "从审批定义页面的地址（definitionCode=…）取 approval_code"
    ),
    "check the instance_code; this tenant has no such instance": "检查 instance_code；本企业没有这个实例",
    "check the user's id and its kind; open_ids are valid for one app only": (
        "检查用户 id 及其类型；open_id 只在一个应用内有效"
    ),
    "go on: it was subscribed, or unsubscribed, before": "无需处理：之前已经订阅或取消订阅",
    "check that the definition allows it, and that the task is this person's": (
        "检查审批定义是否允许该操作、该任务是否属于此人"
    ),
    "read the instance: the task was handled, or never was one of it": (
        "查询实例：该任务已处理，或不属于这个实例"
    ),
    "use another definition: a request cannot start an approval with a free process": "换一个审批定义：自由流程的审批不能通过接口发起",
    "let the definition's administrator enable it": "审批定义已停用：请管理员启用",
    "use another definition: this one was deleted": "审批定义已删除：换一个",
    "let the person act in Lark: the approval needs a signature by hand": "请本人在飞书里处理：需要手写签名",
    "check the form; if it is right, wait and call again": "检查表单；若无误，稍后重试",
    "grant the app access to this definition's data in the approval console": (
        "在审批管理后台授权应用访问该审批定义的数据"
    ),
    "read the instance that has this uuid": "查询使用这个 uuid 的实例",
    "correct the parameter named": "修正报错中列出的参数",
    "add the bot to the chat, or check that the chat id is right": "把机器人加入该群，或检查群 id 是否正确",
    "turn on the app's bot ability and publish the app": "为应用开启机器人能力，并发布版本",
    "leave the message: the time for recalling it is over": "保留这条消息：已超过可撤回的时间",
    "go on: the message was recalled already": "无需处理：消息已被撤回",
    "send the card to a group: with this content it cannot go to a single person": (
        "含有这类内容的卡片不能发给个人；请发到群里"
    ),
    "let the person read some of their 200 unread urgent messages, or send without urgency": (
        "请对方先读掉一些加急消息（未读已达 200 条），或改为不加急"
    ),
    "let an admin buy more urgent SMS or calls: the tenant's quota is used up": (
        "请管理员购买加急短信或电话：企业的额度已用完"
    ),
    "let everybody in the group make messages urgent, or make the bot an admin of it": (
        "允许所有群成员加急，或把机器人设为群管理员"
    ),
    "send a new message: a folded one cannot be made urgent": ("消息已被折叠，不能加急：请重新发一条"),
    "leave it: the readers of a message can be listed for 7 days only": "不再查询：已读用户只能在 7 天内查询",
    "ask the tenant's admin: the key that encrypts its data was deleted": "请联系企业管理员：企业的加密密钥已被删除",
    "use the app that can see the message": "改用看得到这条消息的应用",
    "use the app that sent the message": "改用发送这条消息的应用",
    "add the user to the app's availability, or check that the account is active": (
        "把该用户加入应用的可用范围，或检查其账号是否有效"
    ),
    "upload the resource with this app before sending it": "先用本应用上传该资源，再发送",
    "let the group's owner allow the bot to speak": "请群主允许机器人发言",
    "send to the chat instead: the topic does not exist": "话题不存在；改为直接发到群里",
    "send more slowly: a user or group takes 5 messages a second from all bots together": (
        "一个用户或群每秒最多收 5 条（所有机器人合计）：放慢发送"
    ),
    "change the content: it was judged sensitive": "内容被判为敏感；请修改",
    "shorten the content: text up to 150 KB, post and card up to 30 KB": (
        "缩短内容：文本最大 150 KB，富文本与卡片最大 30 KB"
    ),
    "let the sender or a group admin recall it": "请发送者或群管理员撤回",
    "change the content: the tenant's data protection refused it": "内容被企业的数据防泄漏策略拒绝；请修改",
    "choose another receiver: this user has left the company": "换一个接收者：该用户已离职",
    "send a new card: one can be updated for 14 days": "卡片只能在 14 天内更新；请重新发一张",
    "check the receiver id and its type; open_ids are valid for one app only": (
        "检查接收者 id 及其类型；open_id 只在一个应用内有效"
    ),
    "let the group or the user allow messages from this bot": "请该群或用户允许这个机器人发消息",
    "send to a group with this user: one of another tenant cannot be written to directly": "发到有该用户的群里：不能直接给其他企业的用户发消息",
    "ask the user to allow the bot again": "请该用户重新启用机器人",
    "use update_card for a card; other types of message do not take this change": (
        "这种消息类型不支持该操作；卡片请用 update_card 更新"
    ),
    "upload the file with the type that the message needs": "按消息要求的类型上传文件",
    "edit it with the app that sent it": "改用发送这条消息的应用来编辑",
    "send a new message: one takes 20 edits": "一条消息最多编辑 20 次；请重新发一条",
    "use a group that the bot may see: this one is secret, or hides its thread from the bot": "换一个机器人看得到的群：该群为密聊群，或话题对机器人不可见",
    "send a new message: those of encrypted groups cannot be edited": "加密群的消息不能编辑；请重新发一条",
    "send a new message: this one is too old to be edited, or the group is encrypted": (
        "消息太久不能编辑，或该群已加密；请重新发一条"
    ),
    "check the card in Lark's card builder; 'ErrCode' in the text says what is wrong with it": (
        "在飞书卡片搭建工具里检查卡片；报错文本中的 ErrCode 说明问题所在"
    ),
    "send a new message: this one was deleted": "重新发一条：消息已被删除",
    "send a new message: this one is about to delete itself": "重新发一条：消息即将自动销毁",
    "use another kind of app: this one may not do it": "换一种应用：这种类型的应用不允许该操作",
    "send another type of message: this kind of chat does not take it": "换一种消息：这种会话不支持该消息",
    "choose another chat: this one was dissolved": "换一个群：该群已解散",
    "choose a chat of the app's own tenant": "换一个本企业的群",
    "remove members, or use another group: this one is full": "移除一些成员，或换一个群：群人数已满",
    "widen the app's availability: it may not see these people": "应用看不到这些人：扩大其可用范围",
    "use a group of the app's own tenant: this one is shared with another company": "换一个本企业的群：该群是外部群",
    "check app_token and table_id; a wiki link's token is not an app_token": (
        "检查 app_token 与 table_id；知识库链接里的 token 不是 app_token"
    ),
    "choose another table name, or use the table that has it": "换一个表名，或使用已有的同名数据表",
    "choose another field name, or use the field that has it": "换一个字段名，或使用已有的同名字段",
    "write the value in the shape of its field type, or let the client convert it": (
        "按字段类型的格式写值，或交给客户端转换"
    ),
    "use a type of field or view that this request accepts; see fields for the types": (
        "换一种此处支持的字段或视图类型；类型见字段列表"
    ),
    "ask for pages of at least one": "分页大小至少为 1",
    "upload the attachment for this base before writing it": "先为这个多维表格上传附件，再写入",
    "stay within the limit named and split the request": "不要超过报错中的上限，请拆分请求",
    "ask for smaller pages": "减小分页大小",
    "keep one table: a base cannot lose its last one": "多维表格至少要保留一张数据表",
    "call again later: the base is being copied": "多维表格正在复制；稍后重试",
    "pass idempotency_key= instead: a client_token must be a UUIDv4": (
        "client_token 必须是 UUIDv4；改为传 idempotency_key="
    ),
    "check the view id": "检查视图 id",
    "check the record id": "检查记录 id",
    "check the field names with list_fields; they match exactly, blanks and case included": (
        "用 list_fields 核对字段名；须完全一致，包括空格与大小写"
    ),
    "choose another field: the primary one cannot be deleted and takes few types": "换一个字段：索引字段不能删除，且只支持少数类型",
    "delete records, or write into another table: this one is full": (
        "数据表已满：删除一些记录，或写入另一张表"
    ),
    "read fewer fields: the table's formulas are too large to be read": "公式结果过大，无法读取：减少读取的字段",
    "shorten the cell: 100,000 characters at most": "缩短单元格：最多 100,000 个字符",
    "let one job write at a time: another writer is busy in this table": (
        "另一个写入者正在写这张表：同一时间只让一个任务写"
    ),
    "share the document with the app (… → more → add document app) with edit rights; its advanced "
    "permissions count, too": "把文档授权给应用（… → 更多 → 添加文档应用），并给编辑权限；高级权限同样要放行",
    "share the document with the app (… → more → add document app) with edit rights": (
        "把文档授权给应用（… → 更多 → 添加文档应用），并给编辑权限"
    ),
    "ask the tenant's admin: its plan does not allow it": "请联系企业管理员：企业的版本不支持",
    "share the folder with the app, or leave folder_token out": "把文件夹共享给应用，或不传 folder_token",
    "check the folder_token": "检查 folder_token",
    "go on: nothing is left to do": "无需处理",
    "read the table back before writing again: this key was submitted before": (
        "这个键之前提交过：先读回数据表，再决定是否重写"
    ),
    "write other data under a key of its own: this one was used before": (
        "这个键用于过其他数据：不同的数据请用不同的键"
    ),
    "widen the range of people and departments that the app may see, in the console": (
        "在开发者后台扩大应用的通讯录权限范围"
    ),
    "ask for pages of the size that the endpoint takes": "分页大小要在接口允许的范围内",
    "take the page token from the answer before": "page_token 要取自上一次响应",
    "check the user id, and that its kind is the one named": "检查用户 id，并确认与声明的类型一致",
    "correct the request's body": "修正请求体",
    "check that the range lies on the sheet and is as large as the values, and that no text has control "
    "characters; a dropdown on the cells may refuse values, too": (
        "检查范围是否在工作表内、大小是否与数据一致，文本是否含控制字符；单元格上的下拉列表也可能拒绝取值"
    ),
    "check the sheet's id or title with list_sheets; an id is not the title that people see": (
        "用 list_sheets 核对工作表的 id 或标题；id 不是界面上看到的标题"
    ),
    "correct the title: 1 to 100 characters without / \\ ? * [ ] :": (
        "修正标题：1 到 100 个字符，不含 / \\ ? * [ ] :"
    ),
    "choose another title, or use the sheet that has it": "换一个标题，或使用已有的同名工作表",
    "correct the row or column": "修正行号或列号",
    "check the spreadsheet's token; pass a wiki link whole, not the token inside it": (
        "检查电子表格的 token；知识库请传整个链接，而不是其中的 token"
    ),
    "wait and call again: a spreadsheet takes one writer at a time": (
        "一份电子表格同一时间只有一个写入者：稍后重试"
    ),
    "let the owner of the protected cells unlock them, or write elsewhere": (
        "单元格受保护：请所有者解除保护，或写到别处"
    ),
    "write to another sheet: one takes 5,000,000 cells, empty ones included": (
        "一张工作表最多 5,000,000 个单元格（含空单元格）：写入另一张"
    ),
    "read fewer cells at a time: an answer takes 10 MB": "减少每次读取的单元格：单次响应最大 10 MB",
    "shorten the cell: 50,000 characters at most": "缩短单元格：最多 50,000 个字符",
    "write fewer cells at a time": "减少每次写入的单元格",
    "call again later: the spreadsheet is being imported or loaded": "电子表格正在导入或加载：稍后重试",
    "check the id of the floating image": "检查浮动图片的 id",
    "choose another id for the floating image": "换一个浮动图片 id",
    "correct the floating image: its token, its cell or its size": "修正浮动图片：token、单元格或尺寸",
    "use fewer floating images: a spreadsheet takes 4,000 different ones": "减少浮动图片：一份电子表格最多 4,000 张不同的",
    "create another spreadsheet: this one was deleted": "电子表格已删除：新建一份",
    "correct the parameters; a token and its type must belong together": "修正参数；token 与类型必须匹配",
    "check the token: there is no such file or folder": "检查 token：没有这个文件或文件夹",
    "free storage, or let the tenant's admin buy more: it is used up": "清理存储空间，或请企业管理员扩容：空间已用完",
    "go on: it was deleted already": "无需处理：已被删除",
    "correct the name: it is empty, too long, or has characters that are not allowed": (
        "修正名称：为空、过长，或含有不允许的字符"
    ),
    "choose another folder: this kind of file cannot be moved or copied there": "换一个文件夹：这种文件不能移动或复制到该处",
    "delete files or folders: the app's space is full (400,000 of them)": (
        "应用的云空间已满（400,000 个文件和文件夹）：删除一些"
    ),
    "use a folder further up: folders may be 15 deep": "文件夹最多 15 层：使用更上层的文件夹",
    "use another folder, such as one a month: one takes 1,500 files and folders": (
        "一个文件夹最多放 1,500 个文件和文件夹：换一个，例如按月建"
    ),
    "check that token and type belong together and that the member exists; an app cannot share with a "
    "department: share with a chat of its people": (
        "检查 token 与类型是否匹配、协作者是否存在；应用不能共享给部门：改为共享给部门成员所在的群"
    ),
    "make the person part of the app's availability, or add the app's bot to the chat; else the file has "
    "all the members it may, or the tenant's policy forbids it": (
        "把该用户加入应用的可用范围，或把机器人加入该群；否则是协作者数量已达上限，或企业策略禁止"
    ),
    "let the owner allow collaborators to share it, or ask the owner to": (
        "请所有者允许协作者共享，或请所有者来共享"
    ),
    "create another one: it was deleted": "已被删除：新建一个",
    "call again later: the document is being migrated": "文档正在迁移；稍后重试",
    "check that token and type belong together; a wiki link's token is not one": (
        "检查 token 与类型是否匹配；知识库链接里的 token 不行"
    ),
    "let the document's owner add the app with the right to manage it (… → more → add document app), or "
    "transfer it to the app; if the app manages it, the tenant's admin has to turn on access records of "
    "documents": (
        "请文档所有者给应用管理权限（… → 更多 → 添加文档应用），或把文档转让给应用；"
        "若应用已有管理权限，需企业管理员开启文档访问记录"
    ),
    "check the token: there is no such document": "检查 token：没有这个文档",
    "subscribe to the document first": "先订阅该文档",
    "check the wiki token": "检查知识库节点 token",
    "correct the parameters of the file": "修正文件参数",
    "take message_id and file_key from the same message": "message_id 与 file_key 要取自同一条消息",
    "use the app that uploaded it": "改用上传它的应用",
    "download it in Lark: an app can download files of up to 100 MB": "请在飞书里下载：应用最大只能下载 100 MB 的文件",
    "let the group's owner end its restricted mode, which forbids downloads": "请群主关闭防泄密模式，它禁止下载",
    "make the image smaller: GIFs take 2,000 pixels a side, others 12,000": (
        "缩小图片：GIF 每边最多 2,000 像素，其他格式 12,000"
    ),
    "choose a message that was sent after the bot joined the chat": "换一条机器人入群之后的消息",
    "choose another message: cards, stickers and merged forwards hold nothing to download": "换一条消息：卡片、表情包和合并转发没有可下载的资源",
    "make the file smaller: images may have 10 MB and files 30 MB": "缩小文件：图片最大 10 MB，文件最大 30 MB",
    "upload a file with content": "不能上传空文件",
    "upload an image in a format that Lark reads, such as PNG or JPEG": (
        "上传飞书支持的图片格式，如 PNG 或 JPEG"
    ),
    "check the id: it is unknown to this app or tenant": "检查 id：本应用或本企业没有这个 id",
    "choose another message or receiver: this one cannot be forwarded there": "换一条消息或接收者：这条消息不能转发到该处",
    "correct the id named": "修正报错中列出的 id",
    "correct the sort, filter or field names": "修正排序、筛选条件或字段名",
    "correct the field's property": "修正字段的 property",
    "take the calendar's id from its settings: it ends with @group.calendar.feishu.cn": (
        "从日历设置里取日历 id：以 @group.calendar.feishu.cn 结尾"
    ),
    "share the calendar with the app's bot, so that it may read all details": (
        "把日历共享给应用的机器人，允许查看全部详情"
    ),
    "use another calendar: this one was deleted": "日历已删除：换一个",
    "check the event's id": "检查日程 id",
    "check the event's id; this calendar has no such event": "检查日程 id；该日历里没有这个日程",
    "let the app organize the event, or invite it to an event whose guests see each other; the titles of "
    "events need neither": "由应用创建日程，或邀请应用参加一个参与人互相可见的日程；只读标题则都不需要",
    "use another event: this one was deleted": "换一个日程：该日程已删除",
}
